"""Folders of blocks: throwing them away, setting them aside, sweeping what was left half-done."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

from promlab.errors import StorageError
from promlab.tsdb.blocks import layout
from promlab.tsdb.blocks.meta import is_ulid
from promlab.tsdb.files import failed, sync_directory

_WRITING = "writing"  # locked by whoever is writing into a temporary folder


def hold(directory: Path) -> int:
    """Mark a temporary folder as being written, as long as the descriptor is open."""
    fd = os.open(directory / _WRITING, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def let_go(directory: Path, fd: int) -> None:
    """The folder is complete."""
    with contextlib.suppress(OSError):
        (directory / _WRITING).unlink()
    os.close(fd)


def _is_held(directory: Path) -> bool:
    try:
        fd = os.open(directory / _WRITING, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def remove(directory: Path, name: str) -> None:
    """Delete a block: gone for readers at once, its files after that."""
    path = directory / name
    aside = directory / (name + layout.GONE)
    try:
        path.rename(aside)
        sync_directory(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failed("delete", path, error) from None
    shutil.rmtree(aside, ignore_errors=True)


def set_aside(directory: Path, name: str) -> Path:
    """Rename a damaged block, so that nobody meets it again; its files stay for inspection."""
    path = directory / name
    to = directory / (name + layout.ASIDE)
    try:
        path.rename(to)
        sync_directory(directory)
    except OSError as error:
        raise failed("rename", path, error) from None
    return to


def sweep(directory: Path) -> int:
    """Delete folders that a killed process left half-written or half-deleted; their number."""
    swept = 0
    try:
        entries = list(directory.iterdir())
    except OSError as error:
        raise StorageError(f"cannot read {directory}: {error.strerror}") from None
    for path in entries:
        stem, _, rest = path.name.partition(".")
        if not is_ulid(stem) or f".{rest}" not in (layout.TMP, layout.GONE):
            continue
        if path.is_dir() and not _is_held(path):
            shutil.rmtree(path, ignore_errors=True)
            swept += 1
    return swept

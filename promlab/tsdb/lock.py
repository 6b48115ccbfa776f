"""The lock of a data directory: one writer at a time.

An flock on `<data>/lock`, so that the kernel drops it when its owner dies, however it dies;
the file's text says who owns it, for the error message of the second.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from promlab.errors import DirectoryLocked, StorageError


class DirectoryLock:
    """Holds the lock from construction to `release()`. Raises DirectoryLocked, StorageError."""

    def __init__(self, directory: Path) -> None:
        path = directory / "lock"
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"cannot write to data directory {directory}: {error}") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._fd, 200, 0).decode(errors="replace").strip()
            os.close(self._fd)
            raise DirectoryLocked(str(directory), owner or "another process") from None
        text = f"process {os.getpid()} on {socket.gethostname()}\n".encode()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text, 0)

    def release(self) -> None:
        """Give the lock back; does nothing the second time."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

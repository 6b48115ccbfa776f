"""Jobs and rules that were added at run time: files below the data directory.

They are read as if the configuration named them, so that a reload, a restart and every check
treat them like all others. Each name is one file; what is not valid never stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import yaml

from promlab.errors import PromlabError, ServerError

KINDS = ("targets", "rules")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def pattern(data_path: str, kind: str) -> str:
    """The pattern of all files of a kind."""
    return str(Path(data_path) / "lab" / kind / "*.yml")


class LabFiles:
    """The files of one data directory. `reload` reads the configuration again, or raises."""

    def __init__(self, data_path: str, reload: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._folder = Path(data_path) / "lab"
        self._reload = reload

    def listing(self, kind: str) -> dict[str, str]:
        """Text of each file of a kind, by name."""
        files = sorted((self._folder / kind).glob("*.yml"))
        return {path.stem: path.read_text() for path in files}

    async def put(self, kind: str, name: str, document: Any) -> None:
        """Add or replace one. Raises PromlabError, with the old one back in place."""
        path = self._path(kind, name)
        before = _text(path)
        _write(path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
        await self._apply(path, before)

    async def remove(self, kind: str, name: str) -> bool:
        """Remove one; False if there is none."""
        path = self._path(kind, name)
        before = _taken_away(path)
        if before is not None:
            await self._apply(path, before)
        return before is not None

    async def _apply(self, path: Path, before: str | None) -> None:
        try:
            await self._reload()
        except PromlabError:
            _put_back(path, before)
            await self._reload()
            raise

    def _path(self, kind: str, name: str) -> Path:
        if kind not in KINDS or not _NAME.fullmatch(name):
            raise ServerError(
                f"{name!r} can't be a name here: letters, digits, '_', '.' and '-', at most 100"
            )
        return self._folder / kind / f"{name}.yml"


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _taken_away(path: Path) -> str | None:
    before = _text(path)
    path.unlink(missing_ok=True)
    return before


def _put_back(path: Path, before: str | None) -> None:
    if before is None:
        path.unlink(missing_ok=True)
    else:
        _write(path, before)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for nobody else to read: there may be passwords in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.replace(path)

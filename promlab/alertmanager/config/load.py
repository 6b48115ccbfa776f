"""Reading an alertmanager.yml."""

from __future__ import annotations

from pathlib import Path

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.config.config import Config
from promlab.alertmanager.matchers import Mode
from promlab.config.document import parse, read_text
from promlab.errors import ConfigError


def load(path: str | Path, mode: Mode = Mode.FALLBACK) -> Config:
    """The configuration in a file.

    Raises ConfigError, whose text is one line with file, line, column and field.
    """
    return load_text(read_text(path), path, mode)


def load_text(text: str, path: str | Path = "", mode: Mode = Mode.FALLBACK) -> Config:
    """The configuration in a text; relative paths in it count from the folder of `path`."""
    token = own.mode.set(mode)
    try:
        at = parse(text, str(path))
        if at.is_null:
            raise ConfigError("no route provided in config", path=str(path))
        return Config.read(at).settled(at)
    finally:
        own.mode.reset(token)

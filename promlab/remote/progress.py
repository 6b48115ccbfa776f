"""How far an endpoint of remote write has come, in a file that the next start reads."""

from __future__ import annotations

from pathlib import Path

import msgspec

from promlab.errors import StorageError
from promlab.model.storage import Position


class Progress(msgspec.Struct):
    """Everything up to `sent_ms` is sent, and what the logs have before these positions."""

    sent_ms: int
    url: str = ""
    log: Position | None = None
    exemplars: Position | None = None


_decode = msgspec.json.Decoder(Progress).decode


def read_progress(path: Path) -> Progress | None:
    """What was written last, None where nothing was that makes sense."""
    try:
        return _decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def write_progress(path: Path, progress: Progress) -> None:
    """Write it, whole or not at all. Raises StorageError."""
    part = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(exist_ok=True)
        part.write_bytes(msgspec.json.encode(progress))
        part.replace(path)
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error}") from None

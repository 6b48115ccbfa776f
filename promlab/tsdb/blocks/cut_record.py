"""The record of how much of the head is in blocks: `head/cut`.

It says: samples older than `time` in chunk files up to `file` are in blocks, and so are those
of WAL segments up to `segment`. It is written when the blocks are in their place, and before
any chunk file goes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from promlab.errors import StorageError
from promlab.tsdb.blocks.meta import checksum_of
from promlab.tsdb.files import failed, replace_file

NEVER = -(2**63)


class Cut(NamedTuple):
    """Up to where the head is in blocks."""

    file: int = 0
    time: int = NEVER
    segment: int = 0


def path_of(directory: Path) -> Path:
    """Where the record is."""
    return directory / "head" / "cut"


def read_cut(directory: Path) -> Cut:
    """The record; that of a head of which nothing is in blocks if there is none.

    Raises StorageError if it is damaged.
    """
    path = path_of(directory)
    try:
        content = json.loads(path.read_bytes())
        if content.pop("crc32", None) not in (None, checksum_of(content)):
            raise ValueError(content)
        return Cut(int(content["file"]), int(content["time"]), int(content["segment"]))
    except FileNotFoundError:
        return Cut()
    except OSError as error:
        raise failed("read", path, error) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StorageError(
            f"{path} is damaged: delete it, and samples that are in blocks already are met twice"
        ) from None


def write_cut(directory: Path, cut: Cut) -> None:
    """Replace the record, and force it to the disk."""
    content = cut._asdict()
    checked = {**content, "crc32": checksum_of(content)}
    replace_file(path_of(directory), json.dumps(checked).encode())

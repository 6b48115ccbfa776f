"""A block's name and its `meta.json`: which stretch of time, how many samples, made from what.

The fields are Prometheus's, with sizes and checksums of the files beside them; the text ends
with a checksum of itself. Times are half-open: minTime <= t < maxTime.
"""

from __future__ import annotations

import json
import os
import re
import time
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from promlab.errors import StorageError
from promlab.tsdb.blocks.layout import FORMAT, META
from promlab.tsdb.files import failed, replace_file

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NAME = re.compile(f"^[0-7][{_ALPHABET}]{{25}}$", re.ASCII)


def new_ulid(now_s: float | None = None) -> str:
    """A name for a block: 48 bits of time in ms, 80 random ones, in Crockford's base 32."""
    ms = int((time.time() if now_s is None else now_s) * 1000) & (1 << 48) - 1
    number = ms << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def is_ulid(name: str) -> bool:
    """Whether a folder's name is that of a block."""
    return _NAME.match(name) is not None


def ulid_time_ms(name: str) -> int:
    """When a block was made."""
    number = 0
    for letter in name:
        number = number << 5 | _ALPHABET.index(letter)
    return number >> 80


@dataclass(frozen=True)
class Meta:
    """What `meta.json` says. `files` has size and checksum of the end of each file."""

    ulid: str
    min_time: int
    max_time: int
    series: int = 0
    samples: int = 0
    histograms: int = 0
    chunks: int = 0
    level: int = 1
    sources: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    resolution_ms: int = 0  # 0: samples as they came; else aggregates over that long
    hints: tuple[str, ...] = ()
    files: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all files, meta.json aside."""
        return sum(size for size, _ in self.files.values())

    def renamed(self, ulid: str) -> Meta:
        """The same under another name."""
        return replace(self, ulid=ulid)

    def as_json(self) -> dict[str, Any]:
        """The fields under Prometheus's names."""
        compaction: dict[str, Any] = {"level": self.level, "sources": list(self.sources)}
        if self.parents:
            compaction["parents"] = [{"ulid": parent} for parent in self.parents]
        if self.hints:
            compaction["hints"] = list(self.hints)
        return {
            "ulid": self.ulid,
            "minTime": self.min_time,
            "maxTime": self.max_time,
            "stats": {
                "numSamples": self.samples,
                "numFloatSamples": self.samples - self.histograms,
                "numHistogramSamples": self.histograms,
                "numSeries": self.series,
                "numChunks": self.chunks,
            },
            "compaction": compaction,
            "version": 1,
            "promlab": {
                "format": FORMAT,
                "resolution": self.resolution_ms,
                "files": {name: list(facts) for name, facts in sorted(self.files.items())},
            },
        }


def checksum_of(content: dict[str, Any]) -> int:
    """CRC-32 of a JSON object, sorted and without blanks."""
    return zlib.crc32(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def write_meta(directory: Path, meta: Meta) -> None:
    """Write a folder's meta.json, and force it and the folder to the disk."""
    content = meta.as_json()
    text = json.dumps({**content, "crc32": checksum_of(content)}, indent=2)
    replace_file(directory / META, f"{text}\n".encode())


def read_meta(directory: Path) -> Meta:
    """What a block's meta.json says. Raises StorageError if it is damaged or not ours."""
    path = directory / META
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or "promlab" not in content:
            raise StorageError(
                f"{directory} is no block of promlab: blocks of Prometheus are imported with "
                "`promlab tsdb import`"
            )
        crc = content.pop("crc32")
        if crc != checksum_of(content):
            raise StorageError(f"{path} is damaged: its checksum does not fit")
        own, stats, compaction = content["promlab"], content["stats"], content["compaction"]
        if own["format"] != FORMAT:
            raise StorageError(f"{directory} was written by another version of promlab")
        return Meta(
            content["ulid"],
            int(content["minTime"]),
            int(content["maxTime"]),
            int(stats["numSeries"]),
            int(stats["numSamples"]),
            int(stats["numHistogramSamples"]),
            int(stats["numChunks"]),
            int(compaction["level"]),
            tuple(compaction["sources"]),
            tuple(parent["ulid"] for parent in compaction.get("parents", ())),
            int(own["resolution"]),
            tuple(compaction.get("hints", ())),
            {name: (int(size), int(crc)) for name, (size, crc) in own["files"].items()},
        )
    except OSError as error:
        raise failed("read", path, error) from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise StorageError(f"{path} is damaged: it makes no sense") from None

"""Target groups from JSON and YAML files, read again when they change.

Files are looked at every few seconds (size, modification time, inode), and read again anyway
at the configured interval. A file that is broken, or gone from a moment to the next, keeps
the targets that it had; one that is gone when looked at has none.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from promlab.config import kinds
from promlab.config.config import matching_files
from promlab.config.discovery_sections import FileSDConfig
from promlab.config.document import At, parse, read_text
from promlab.discovery.base import Publish, Surroundings, TargetGroup
from promlab.errors import ConfigError

log = logging.getLogger(__name__)

POLL_S = 5.0
MAX_BYTES = 32 << 20
META_FILEPATH = "__meta_filepath"


class _JsonGroup(msgspec.Struct, forbid_unknown_fields=True):
    targets: list[str] = []
    labels: dict[str, str] = {}


_json = msgspec.json.Decoder(list[_JsonGroup | None])
_Stamp = tuple[int, int, int]


def read_groups(path: str) -> list[TargetGroup]:
    """The groups in a file. Raises ConfigError if it can't be read or is not valid."""
    read = _read_json if Path(path).suffix.lower() == ".json" else _read_yaml
    return [
        TargetGroup.of(f"{path}:{i}", targets, {**labels, META_FILEPATH: path})
        for i, (targets, labels) in enumerate(read(path))
    ]


_Written = list[tuple[list[str], Mapping[str, str]]]


def _read_json(path: str) -> _Written:
    return decode_groups(read_text(path), path)


def decode_groups(text: str | bytes, path: str = "") -> _Written:
    """Targets and labels of each group in a JSON text. Raises ConfigError for `path`."""
    try:
        groups = _json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(f"not a list of target groups: {error}", path=path) from None
    found: _Written = []
    for i, group in enumerate(groups):
        if group is None:
            raise ConfigError(f"nil target group item found (index {i})", path=path)
        _check_labels(path, group.labels)
        found.append((group.targets, group.labels))
    return found


def _check_labels(path: str, labels: Mapping[str, str]) -> None:
    for name in labels:
        if not kinds.is_label_name(name):
            raise ConfigError(f"{name!r} is not a valid label name", path=path)


def _read_yaml(path: str) -> _Written:
    found: _Written = []
    for i, item in enumerate(parse(read_text(path), path).items()):
        if item.is_null:
            item.fail(f"nil target group item found (index {i})")
        found.append(_yaml_group(item))
    return found


def _yaml_group(at: At) -> tuple[list[str], Mapping[str, str]]:
    targets: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    for key, (key_at, value) in at.entries().items():
        if key == "targets":
            targets = kinds.strings(value)
        elif key == "labels":
            labels = kinds.labels(value)
        else:
            key_at.fail(f"unknown field {key!r}")
    return list(targets), labels


class FileDiscovery:
    """Publishes the groups of all files that match, and watches them."""

    def __init__(
        self, config: FileSDConfig, around: Surroundings, *, poll_s: float = POLL_S
    ) -> None:
        self.config, self.around, self.poll_s = config, around, poll_s
        self.errors: dict[str, str] = {}
        self._stamps: dict[str, _Stamp] = {}
        self._groups: dict[str, list[TargetGroup]] = {}

    async def run(self, publish: Publish) -> None:
        """Look at the files until cancelled."""
        last_s = time.monotonic()
        publish(await asyncio.to_thread(self.refresh))
        while True:
            await asyncio.sleep(self.poll_s)
            again = time.monotonic() - last_s >= self.config.refresh_interval_ms / 1000
            if again:
                last_s = time.monotonic()
            changed = await asyncio.to_thread(self.refresh, everything=again)
            if changed:
                publish(changed)

    def refresh(self, *, everything: bool = False) -> list[TargetGroup]:
        """Look at the files once; groups that changed, empty ones for what is gone."""
        started_s = time.monotonic()
        stats = self.around.stats
        found = {path for pattern in self.config.files for path in matching_files(pattern)}
        changed: list[TargetGroup] = []
        for path in sorted(self._stamps.keys() - found):
            del self._stamps[path]
            stats.file_mtimes_s.pop(path, None)
            self.errors.pop(path, None)
            changed += self._replace(path, [])
        for path in sorted(found):
            stamp = _stamp(path)
            if stamp == self._stamps.get(path) and not everything:
                continue
            self._stamps[path] = stamp
            stats.file_mtimes_s[path] = stamp[0] / 1e9
            try:
                if stamp[1] > MAX_BYTES:
                    raise ConfigError(f"larger than {MAX_BYTES >> 20} MiB", path=path)
                changed += self._replace(path, read_groups(path))
                self.errors.pop(path, None)
            except ConfigError as error:
                self._failed(path, str(error))
        stats.file_scan_s += time.monotonic() - started_s
        stats.file_scans += 1
        return changed

    def _replace(self, path: str, groups: list[TargetGroup]) -> list[TargetGroup]:
        old = self._groups.get(path, [])
        self._groups[path] = groups
        gone = [TargetGroup(group.source) for group in old[len(groups) :]]
        fresh = [g for i, g in enumerate(groups) if i >= len(old) or old[i] != g]
        return fresh + gone

    def _failed(self, path: str, reason: str) -> None:
        stats = self.around.stats
        stats.file_read_errors += 1
        stats.refresh_failures["file", self.around.config] += 1
        self.errors[path] = reason
        log.warning("file discovery keeps what it had: %s", reason)


def _stamp(path: str) -> _Stamp:
    try:
        seen = Path(path).stat()
    except OSError:
        return (0, 0, 0)
    return (seen.st_mtime_ns, seen.st_size, seen.st_ino)

"""bcachefs: compression, errors, writes and devices of bcachefs file systems."""

from __future__ import annotations

import re
from collections.abc import Iterator

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost

_SIZE = re.compile(r"([\d.]+)([kKMGTPE]?)(?:i?B)?")
_POWERS = {unit: power for power, unit in enumerate(" KMGTPE")}
_SINCE_EVER = "since filesystem creation"


class Collector(OfHost):
    """node_bcachefs_*{uuid} from /sys/fs/bcachefs."""

    def collect(self) -> Iterator[Family]:
        """File systems, then their devices."""
        host = self._host
        if not host.has_sys("fs/bcachefs"):
            raise NoData("no bcachefs")
        found = Gathered("node_bcachefs", "bcachefs")
        for uuid in host.list_sys("fs/bcachefs"):
            path, labels = f"fs/bcachefs/{uuid}", {"uuid": uuid}
            found.gauge("info", 1, labels)
            size = host.sys_word(f"{path}/btree_cache_size")
            found.gauge("btree_cache_size_bytes", size_bytes(size) if size else None, labels)
            self._tables(found, path, labels)
            for name in host.list_sys(f"{path}/counters"):
                for key, value in self._pairs(f"{path}/counters/{name}"):
                    if key == _SINCE_EVER:
                        found.counter(f"{name}_total", size_bytes(value), labels)
            for folder in host.list_sys(path):
                if folder.startswith("dev-"):
                    of_device = labels | {"device": folder.removeprefix("dev-")}
                    self._device(found, f"{path}/{folder}", of_device)
        yield from found

    def _tables(self, found: Gathered, path: str, labels: dict[str, str]) -> None:
        for words in self._rows(f"{path}/compression_stats", skip=1, least=3):
            by = labels | {"algorithm": words[0]}
            found.gauge("compression_compressed_bytes", size_bytes(words[1]), by)
            found.gauge("compression_uncompressed_bytes", size_bytes(words[2]), by)
        for words in self._rows(f"{path}/errors", skip=0, least=2):
            found.counter("errors_total", int(words[1]), labels | {"error_type": words[0]})
        for words in self._rows(f"{path}/btree_write_stats", skip=1, least=3):
            by = labels | {"type": words[0].rstrip(":")}
            found.counter("btree_writes_total", int(words[1]), by)
            found.gauge("btree_write_average_size_bytes", size_bytes(words[2]), by)

    def _device(self, found: Gathered, path: str, labels: dict[str, str]) -> None:
        host = self._host
        info = {word: host.sys_word(f"{path}/{word}") or "" for word in ("label", "state")}
        found.gauge("device_info", 1, labels | info)
        size = host.sys_word(f"{path}/bucket_size")
        found.gauge("device_bucket_size_bytes", size_bytes(size) if size else None, labels)
        found.gauge("device_buckets", host.sys_number(f"{path}/nbuckets"), labels)
        found.gauge("device_durability", host.sys_number(f"{path}/durability"), labels)
        operation = ""
        for key, value in self._pairs(f"{path}/io_done"):
            if not value:
                operation = key
                continue
            by = labels | {"data_type": key, "operation": operation}
            found.counter("device_io_done_bytes_total", int(value), by)
        text = host.sys_word(f"{path}/io_errors") or ""
        # The second half counts since somebody reset it.
        for line in text.split("\nIO errors since", 1)[0].splitlines()[1:]:
            kind, _, count = line.partition(":")
            by = labels | {"type": kind.strip()}
            found.counter("device_io_errors_total", int(count), by)

    def _rows(self, name: str, *, skip: int, least: int) -> Iterator[list[str]]:
        for line in (self._host.sys_word(name) or "").splitlines()[skip:]:
            words = line.split()
            if len(words) >= least:
                yield words

    def _pairs(self, name: str) -> Iterator[tuple[str, str]]:
        for line in (self._host.sys_word(name) or "").splitlines():
            key, colon, value = line.partition(":")
            if colon:
                yield key.strip(), value.strip()


def size_bytes(text: str) -> float:
    """Bytes of a size like 1.50M. Raises ValueError."""
    parts = _SIZE.fullmatch(text)
    if parts is None:
        raise ValueError(f"no size: {text!r}")
    return float(parts[1]) * 1024.0 ** _POWERS[parts[2].upper() or " "]

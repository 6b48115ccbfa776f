"""zfs: statistics of ZFS, of its pools and of their data sets.

The names are those of the module's own tables in /proc/spl/kstat/zfs, and of most nobody says
whether they are counters.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost, read

_KSTAT = "spl/kstat/zfs"
_TABLES = {
    "abdstats": "abd",
    "arcstats": "arc",
    "dbufstats": "dbuf",
    "dmu_tx": "dmu_tx",
    "dnodestats": "dnode",
    "fm": "fm",
    "vdev_cache_stats": "vdev_cache",
    "vdev_mirror_stats": "vdev_mirror",
    "xuio_stats": "xuio",
    "zfetchstats": "zfetch",
    "zil": "zil",
}
_STATES = ("degraded", "faulted", "offline", "online", "removed", "suspended", "unavail")
_NUMERIC = ("3", "4")  # KSTAT_DATA_INT64, KSTAT_DATA_UINT64


class Collector(OfHost):
    """node_zfs_*."""

    def collect(self) -> Iterator[Family]:
        """Tables of the module, then of each pool."""
        folder = Path(self._host.procfs, _KSTAT)
        if not self._host.linux or not folder.is_dir():
            raise NoData("ZFS is not loaded")
        found = Gathered("node_zfs", "ZFS")
        for file, prefix in _TABLES.items():
            if (folder / file).exists():
                for name, value in _rows(_text(folder / file)):
                    found.untyped(f"{prefix}_{name.replace('-', '_')}", float(value))
        for pool in sorted(path for path in folder.iterdir() if path.is_dir()):
            _pool(found, pool)
        yield from found


def _pool(found: Gathered, folder: Path) -> None:
    pool = folder.name
    for path in sorted(folder.iterdir()):
        if path.name == "io":
            names, values = (line.split() for line in _text(path).splitlines()[1:3])
            for name, value in zip(names, values, strict=True):
                found.untyped(f"zpool_{name}", float(value), {"zpool": pool})
        elif path.name == "state":
            now = _text(path).strip().lower()
            for state in _STATES:
                found.gauge("zpool_state", int(state == now), {"state": state, "zpool": pool})
        elif path.name.startswith("objset-"):
            text = _text(path)
            labels = {"dataset": _data_set(text), "zpool": pool}
            for name, value in _rows(text):
                found.untyped(f"zpool_dataset_{name}", float(value), labels)


def _text(path: Path) -> str:
    return read(str(path))


def _rows(text: str) -> Iterator[tuple[str, str]]:
    """Rows `name type data` of numbers, after two lines of headings."""
    for line in text.splitlines()[2:]:
        words = line.split()
        if len(words) == 3 and words[1] in _NUMERIC:
            yield words[0], words[2]


def _data_set(text: str) -> str:
    for line in text.splitlines()[2:]:
        words = line.split(None, 2)
        if words[0] == "dataset_name":
            return words[2]
    return ""

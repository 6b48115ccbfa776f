"""filesystem: size and free space of what is mounted.

Asking a network file system whose server is gone blocks for good, so those are asked in a
thread that is left behind after some seconds; the mount then shows as a device error until
the thread comes back.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

import psutil

from promlab.errors import ConfigError
from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import Flag, Host, chosen, read

_MOUNTS = r"^/(dev|proc|run|sys|mnt|media|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"
_TYPES = (
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs"
    "|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs"
    "|squashfs|erofs|sysfs|tracefs)$"
)
# These answer at once: no thread for them.
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "vfat", "zfs", "f2fs", "apfs"})
_GAUGES = {
    "avail_bytes": "Bytes that users may still write.",
    "files": "Inodes there are.",
    "files_free": "Inodes not in use.",
    "free_bytes": "Bytes not in use.",
    "purgeable_bytes": "Bytes that the system could free by itself (macOS).",
    "readonly": "Whether it is mounted read-only.",
    "size_bytes": "Size in bytes.",
}
_ERROR = "Whether the file system could not be asked."


class Mount(NamedTuple):
    """One mounted file system; `mountpoint` as the host sees it."""

    device: str
    mountpoint: str
    fstype: str
    readonly: bool
    major: str = ""
    minor: str = ""


class Collector:
    """node_filesystem_*{device,device_error,fstype,mountpoint}."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "mount-points-exclude": Flag(_MOUNTS, "regular expression of mount points to leave out"),
        "mount-points-include": Flag("", "regular expression of mount points to export"),
        "fs-types-exclude": Flag(_TYPES, "regular expression of types to leave out"),
        "fs-types-include": Flag("", "regular expression of types to export"),
        "mount-timeout": Flag("5s", "how long to wait for a file system that does not answer"),
    }

    def __init__(self, host: Host) -> None:
        self._host = host
        self._mounts = chosen(host, "filesystem", "mount-points", self.flags)
        self._types = chosen(host, "filesystem", "fs-types", self.flags)
        self._timeout_s = _seconds(host.flag("filesystem", "mount-timeout", "5s"))
        self._stuck: set[str] = set()

    def collect(self) -> Iterator[Family]:
        """A gauge a figure, a sample a mount."""
        families = {
            name: gauge(f"node_filesystem_{name}", help_) for name, help_ in _GAUGES.items()
        }
        errors = gauge("node_filesystem_device_error", _ERROR)
        about = gauge("node_filesystem_mount_info", "Device numbers of a mount, in labels.")
        for mount in self._chosen():
            figures, reason = self._ask(mount)
            labels = {
                "device": mount.device,
                "device_error": reason,
                "fstype": mount.fstype,
                "mountpoint": mount.mountpoint,
            }
            errors.add(1 if reason else 0, labels)
            for name, value in figures.items():
                families[name].add(value, labels)
            about.add(1, _numbers(mount))
        yield from families.values()
        yield errors
        if self._host.linux:
            yield about

    def _chosen(self) -> Iterator[Mount]:
        mounts = self._mountinfo() if self._host.linux else portable()
        seen: set[tuple[str, str]] = set()
        for mount in mounts:
            key = mount.device, mount.mountpoint
            if key in seen or mount.mountpoint not in self._mounts:
                continue
            if mount.fstype in self._types:
                seen.add(key)
                yield mount

    def _mountinfo(self) -> Iterator[Mount]:
        try:
            text = read(f"{self._host.procfs}/1/mountinfo")
        except OSError:  # hidden from us, as in a container with hidepid
            text = self._host.proc("self/mountinfo")
        root = self._host.rootfs.rstrip("/")
        for line in text.splitlines():
            before, _, after = line.partition(" - ")
            _, _, numbers, _, point, options, *_ = before.split(" ")
            fstype, device, *rest = after.split(" ")
            point = _unescape(point)
            if root and not (point == root or point.startswith(root + "/")):
                continue
            readonly = "ro" in [*options.split(","), *"".join(rest[:1]).split(",")]
            major, _, minor = numbers.partition(":")
            where = point.removeprefix(root) or "/"
            yield Mount(_unescape(device), where, fstype, readonly, major, minor)

    def _ask(self, mount: Mount) -> tuple[dict[str, float], str]:
        """Figures by name, or the reason why there are none."""
        if mount.mountpoint in self._stuck:
            return {}, "mountpoint timeout"
        path = self._host.under_root(mount.mountpoint)
        try:
            stat = os.statvfs(path) if mount.fstype in _LOCAL else self._patiently(path, mount)
        except TimeoutError:
            return {}, "mountpoint timeout"
        except OSError as error:
            return {}, (error.strerror or "error").lower()
        figures: dict[str, float] = {
            "size_bytes": stat.f_blocks * stat.f_frsize,
            "free_bytes": stat.f_bfree * stat.f_frsize,
            "avail_bytes": stat.f_bavail * stat.f_frsize,
            "files": stat.f_files,
            "files_free": stat.f_ffree,
            "purgeable_bytes": 0,
            "readonly": 1 if mount.readonly else 0,
        }
        return figures, ""

    def _patiently(self, path: str, mount: Mount) -> os.statvfs_result:
        answer: list[os.statvfs_result | OSError] = []
        self._stuck.add(mount.mountpoint)

        def ask() -> None:
            try:
                answer.append(os.statvfs(path))
            except OSError as error:
                answer.append(error)
            self._stuck.discard(mount.mountpoint)

        thread = threading.Thread(target=ask, name="statvfs", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if not answer:
            raise TimeoutError
        if isinstance(answer[0], OSError):
            raise answer[0]
        return answer[0]


def _numbers(mount: Mount) -> dict[str, str]:
    return {
        "device": mount.device,
        "major": mount.major,
        "minor": mount.minor,
        "mountpoint": mount.mountpoint,
    }


def _unescape(text: str) -> str:
    """Spaces and the like stand as octal numbers in mountinfo."""
    if "\\" not in text:
        return text
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", str(text))
    if not found:
        raise ConfigError(
            f"{text!r} is not a duration: write 5s or 500ms",
            field="--collector.filesystem.mount-timeout",
        )
    return float(found[1]) * {"ms": 1e-3, "s": 1.0, "m": 60.0}[found[2]]


def portable() -> Iterator[Mount]:
    """Mounts as psutil lists them on any system."""
    for part in psutil.disk_partitions(all=False):
        yield Mount(part.device, part.mountpoint, part.fstype, "ro" in part.opts.split(","))

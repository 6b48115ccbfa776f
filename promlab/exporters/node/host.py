"""Where collectors read: /proc, /sys and the root file system, each at a path of its own.

In a container the host's folders are mounted elsewhere, so no collector spells a path out.
`Host` also carries the collectors' flags. Files are read whole and are small; a file that
can't be read raises OSError, which fails the one collector that wanted it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from promlab.errors import ConfigError
from promlab.model.matchers import BadRegex, compile_regex

_MAX_BYTES = 16 << 20


class NoData(Exception):
    """This machine has nothing for the collector; not worth a warning."""


class Flag(NamedTuple):
    """A collector's flag: `--collector.<collector>.<name>`.

    The default's type says what it takes: a string, True or False, or a list (repeatable).
    """

    default: Any
    help: str


@dataclass(slots=True)
class Host:
    """Paths of the machine that is watched, and flags by full name without dashes."""

    procfs: str = "/proc"
    sysfs: str = "/sys"
    rootfs: str = "/"
    udev: str = "/run/udev/data"
    flags: Mapping[str, Any] = field(default_factory=dict)
    linux: bool = sys.platform == "linux"

    def proc(self, name: str) -> str:
        """Content of a file in /proc."""
        return read(f"{self.procfs}/{name}")

    def sys(self, name: str) -> str:
        """Content of a file in /sys."""
        return read(f"{self.sysfs}/{name}")

    def list_sys(self, name: str) -> list[str]:
        """Names in a folder of /sys, sorted; none where there is no such folder."""
        try:
            return sorted(os.listdir(f"{self.sysfs}/{name}"))  # noqa: PTH208 (names are wanted)
        except FileNotFoundError:
            return []

    def has_sys(self, name: str) -> bool:
        """Whether /sys has such a file or folder; never beyond Linux."""
        return self.linux and os.path.exists(f"{self.sysfs}/{name}")  # noqa: PTH110

    def sys_word(self, name: str) -> str | None:
        """A file's text without its ends; None where there is no such file, or no answer."""
        try:
            return self.sys(name).strip()
        except OSError:
            return None

    def sys_number(self, name: str) -> int | None:
        """A file's whole number, also in hexadecimal; None where there is none."""
        try:
            return int(self.sys(name), 0)
        except (OSError, ValueError):
            return None

    def under_root(self, path: str) -> str:
        """The path by which this process reaches a path of the host."""
        return path if self.rootfs == "/" else self.rootfs.rstrip("/") + path

    def flag(self, collector: str, name: str, default: Any) -> Any:
        """What the user set `--collector.<collector>.<name>` to."""
        return self.flags.get(f"collector.{collector}.{name}", default)


class OfHost:
    """What most collectors begin with: no flags, and the host that they read."""

    flags: ClassVar[Mapping[str, Flag]] = {}

    def __init__(self, host: Host) -> None:
        self._host = host


class Chosen:
    """Which names an include and an exclude expression let through. Only one may be set."""

    def __init__(self, include: str, exclude: str, *, flag: str) -> None:
        if include and exclude:
            raise ConfigError(
                f"--{flag}-include and --{flag}-exclude can't be used together: set one"
            )
        self._include = search(include, f"--{flag}-include") if include else None
        self._exclude = search(exclude, f"--{flag}-exclude") if exclude else None
        self._known: dict[str, bool] = {}

    def __contains__(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            known = not (
                (self._exclude is not None and self._exclude.search(name))
                or (self._include is not None and not self._include.search(name))
            )
            if len(self._known) < 10_000:
                self._known[name] = known
        return known


def search(pattern: str, flag: str) -> Any:
    """A regular expression of the user's, unanchored; raises ConfigError."""
    try:
        return compile_regex(pattern)
    except BadRegex as error:
        raise ConfigError(str(error), field=flag) from None


def chosen(host: Host, collector: str, what: str, flags: Mapping[str, Flag]) -> Chosen:
    """`Chosen` by the flags `<what>-include` and `<what>-exclude` of a collector.

    An include expression takes the place of the default exclusion.
    """
    include = str(host.flag(collector, f"{what}-include", ""))
    default = flags[f"{what}-exclude"].default
    exclude = str(host.flag(collector, f"{what}-exclude", default))
    if include and exclude == default:
        exclude = ""
    return Chosen(include, exclude, flag=f"collector.{collector}.{what}")


def read(path: str) -> str:
    """A small file's text; bytes that are not UTF-8 are replaced."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = [os.read(fd, 65536)]
        while parts[-1] and sum(map(len, parts)) < _MAX_BYTES:
            parts.append(os.read(fd, 65536))
    finally:
        os.close(fd)
    return b"".join(parts).decode("utf-8", errors="replace")


def key_values(lines: Iterable[str]) -> dict[str, str]:
    """`key value` lines as a dictionary."""
    pairs = (line.split(None, 1) for line in lines)
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}

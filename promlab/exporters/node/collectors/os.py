"""os: which distribution and version runs here, from os-release."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

from promlab.exporters.families import Family, gauge, info
from promlab.exporters.node.host import NoData, OfHost, read

_FILES = ("/etc/os-release", "/usr/lib/os-release")
_FIELDS = (
    "build_id",
    "id",
    "id_like",
    "image_id",
    "image_version",
    "name",
    "pretty_name",
    "variant",
    "variant_id",
    "version",
    "version_codename",
    "version_id",
)


class Collector(OfHost):
    """node_os_info, node_os_version, and the end of support where it is known."""

    def collect(self) -> Iterator[Family]:
        """One sample a family."""
        release = self._release() if self._host.linux else portable()
        labels = {name: release.get(name.upper(), "") for name in _FIELDS}
        yield info("node_os_info", "The operating system, in labels.", labels)
        number = re.match(r"\d+\.?\d*", labels["version_id"])
        if number:
            version = gauge("node_os_version", "The system's version as major.minor.")
            version.add(
                float(number[0]), {name: labels[name] for name in ("id", "id_like", "name")}
            )
            yield version
        end = release.get("SUPPORT_END", "")
        if end:
            when = datetime.strptime(end, "%Y-%m-%d").replace(tzinfo=UTC)
            yield gauge(
                "node_os_support_end_timestamp_seconds",
                "When the vendor's support ends, in Unix time.",
                when.timestamp(),
            )

    def _release(self) -> dict[str, str]:
        for path in _FILES:
            try:
                return parse(read(self._host.under_root(path)))
            except FileNotFoundError:
                continue
        raise NoData("no os-release file")


def parse(text: str) -> dict[str, str]:
    """Assignments of an os-release file, unquoted as a shell would."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            found[name] = "".join(shlex.split(value))
    return found


def portable() -> dict[str, str]:
    """The same for systems without os-release."""
    version = platform.mac_ver()[0] or platform.release()
    name = "macOS" if platform.mac_ver()[0] else platform.system()
    return {
        "ID": name.lower(),
        "NAME": name,
        "PRETTY_NAME": f"{name} {version}",
        "VERSION": version,
        "VERSION_ID": version,
    }

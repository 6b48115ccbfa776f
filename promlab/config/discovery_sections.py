"""Where targets come from: `static_configs`, `file_sd_configs`, and the names of all others.

Each of these has a section in `promlab.config.mechanisms`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.mechanisms import section_of
from promlab.config.mechanisms.base import Mechanism
from promlab.config.section import Section, opt, record, sections

MECHANISMS = (
    "aws", "azure", "consul", "digitalocean", "dns", "docker", "dockerswarm", "ec2", "ecs",
    "elasticache", "eureka", "gce", "hetzner", "http", "ionos", "kubernetes", "kuma", "lightsail",
    "linode", "marathon", "msk", "nerve", "nomad", "oci", "openstack", "outscale", "ovhcloud",
    "puppetdb", "rds", "scaleway", "serverset", "stackit", "triton", "uyuni", "vultr",
)  # fmt: skip
# The last segment only may hold one asterisk, and the file must be JSON or YAML.
_FILE_PATTERN = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")


@record
class StaticConfig(Section):
    """Targets that are written down, with labels that they share."""

    targets: tuple[str, ...] = opt(kinds.strings, (), always=True)
    labels: Mapping[str, str] = opt(kinds.labels, {})

    def check(self, at: At) -> None:
        """An address is host and port: no scheme, no path."""
        places = at.get("targets").items() if self.targets else []
        for place, address in zip(places, self.targets, strict=True):
            if "/" in address:
                place.fail(f"{address!r} is not a valid hostname: write host:port only")


@record
class FileSDConfig(Section):
    """Files with target groups."""

    required: ClassVar[tuple[str, ...]] = ("files",)
    files: tuple[str, ...] = opt(kinds.list_of(kinds.path), (), always=True)
    refresh_interval_ms: int = opt(kinds.duration, 300_000, key="refresh_interval", always=True)

    def check(self, at: At) -> None:
        """Only names of JSON and YAML files, with an asterisk in the last segment at most."""
        if not self.files:
            at.fail("file service discovery config must contain at least one path name")
        for place, name in zip(at.get("files").items(), self.files, strict=True):
            if _FILE_PATTERN.fullmatch(name) is None:
                place.fail(
                    f"path name {name!r} is not valid for file discovery: it must end in .json, "
                    ".yml or .yaml, with at most one * in its last segment"
                )


def _read(name: str, at: At) -> Iterator[Mechanism]:
    section = section_of(name)
    for item in at.items():
        if item.is_null:
            item.fail(f"empty or null section in {name}_sd_configs")
        yield section.read(item)


@record
class DiscoverySections(Section):
    """All sections that name targets, in a scrape config or an Alertmanager config."""

    static_configs: tuple[StaticConfig, ...] = opt(
        sections(StaticConfig, "empty or null section in static_configs"), ()
    )
    file_sd_configs: tuple[FileSDConfig, ...] = opt(
        sections(FileSDConfig, "empty or null section in file_sd_configs"), ()
    )
    mechanisms: tuple[Mechanism, ...] = ()

    @classmethod
    def extra_keys(cls) -> frozenset[str]:
        """Mechanisms whose sections are read where they are used."""
        return frozenset(f"{name}_sd_configs" for name in MECHANISMS)

    @classmethod
    def extra_shapes(cls) -> Mapping[str, Any]:
        """A list of each mechanism's sections."""
        return {
            f"{name}_sd_configs": {"type": ["array", "null"], "items": section_of(name)}
            for name in MECHANISMS
        }

    @classmethod
    def _build(cls, at: At, entries: dict[str, At]) -> DiscoverySections:
        written = ((name, entries.get(f"{name}_sd_configs")) for name in MECHANISMS)
        found = tuple(each for name, place in written if place for each in _read(name, place))
        return replace(cls._declared(at, entries), mechanisms=found)

    def _plain(self) -> Iterator[tuple[str, Any]]:
        yield from Section._plain(self)
        shown: dict[str, list[Any]] = {}
        for section in self.mechanisms:
            shown.setdefault(section.mechanism, []).append(section.plain())
        yield from ((f"{name}_sd_configs", written) for name, written in sorted(shown.items()))

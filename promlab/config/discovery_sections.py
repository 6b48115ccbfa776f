"""Where targets come from: `static_configs`, `file_sd_configs`, and the names of all others.

A mechanism that promlab knows has a typed section here; of any other, `OtherDiscovery`
keeps the name and the place, so that it can be refused by name rather than overlooked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.section import Section, opt, record, sections

OTHERS = (
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


@record
class OtherDiscovery:
    """A section of a mechanism that promlab does not have: its mechanism and its place."""

    mechanism: str
    at: At

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OtherDiscovery) and self.mechanism == other.mechanism


def _others(mechanism: str, at: At) -> tuple[OtherDiscovery, ...]:
    for item in at.items():
        if item.is_null:
            item.fail(f"empty or null section in {mechanism}_sd_configs")
        item.entries()
    return tuple(OtherDiscovery(mechanism=mechanism, at=item) for item in at.items())


@record
class DiscoverySections(Section):
    """All sections that name targets, in a scrape config or an Alertmanager config."""

    static_configs: tuple[StaticConfig, ...] = opt(
        sections(StaticConfig, "empty or null section in static_configs"), ()
    )
    file_sd_configs: tuple[FileSDConfig, ...] = opt(
        sections(FileSDConfig, "empty or null section in file_sd_configs"), ()
    )
    others: tuple[OtherDiscovery, ...] = ()

    @classmethod
    def extra_keys(cls) -> frozenset[str]:
        """Mechanisms that are known by name only."""
        return frozenset(f"{name}_sd_configs" for name in OTHERS)

    @classmethod
    def _build(cls, at: At, entries: dict[str, At]) -> DiscoverySections:
        written = ((name, entries.get(f"{name}_sd_configs")) for name in OTHERS)
        others = [found for name, place in written if place for found in _others(name, place)]
        return replace(cls._declared(at, entries), others=tuple(others))

    def _plain(self) -> Iterator[tuple[str, Any]]:
        yield from Section._plain(self)
        counts: dict[str, int] = {}
        for other in self.others:
            counts[other.mechanism] = counts.get(other.mechanism, 0) + 1
        yield from ((f"{name}_sd_configs", [{}] * n) for name, n in counts.items())

"""The whole of a prometheus.yml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from promlab.config import kinds
from promlab.config.alerting import AlertingConfig
from promlab.config.document import At
from promlab.config.global_ import GlobalConfig, RuntimeConfig
from promlab.config.kinds import Kind, list_of
from promlab.config.otlp import OTLPConfig
from promlab.config.remote import RemoteReadConfig, RemoteWriteConfig
from promlab.config.scrape import ScrapeConfig
from promlab.config.section import Section, maybe, opt, record, section, sections
from promlab.config.storage import StorageConfig
from promlab.config.tracing import TracingConfig

# A pattern may have wildcards in its last segment only.
_PATTERN = re.compile(r"[^*]*(\*[^/]*)?")


def _pattern(what: str) -> Kind[str]:
    def read(at: At) -> str:
        if _PATTERN.fullmatch(at.text()) is None:
            at.fail(f"invalid {what} file path {at.text()!r}: only its last segment may have *")
        return kinds.path(at)

    return Kind(read, lambda text: text, "")


def _unique_names(what: str, found: Sequence[RemoteWriteConfig | RemoteReadConfig], at: At) -> None:
    seen: set[str] = set()
    for place, each in zip(at.items() if found else [], found, strict=True):
        if each.name and each.name in seen:
            message = f'found multiple {what} configs with job name "{each.name}"'
            place.get("name").fail(message)
        seen.add(each.name)


@record
class Config(Section):
    """A configuration: sections as they are written, settled by `settled`."""

    global_: GlobalConfig = opt(section(GlobalConfig), GlobalConfig(), key="global", always=True)
    runtime: RuntimeConfig = opt(section(RuntimeConfig), RuntimeConfig(), always=True)
    rule_files: tuple[str, ...] = opt(list_of(_pattern("rule")), ())
    scrape_config_files: tuple[str, ...] = opt(list_of(_pattern("scrape config")), ())
    scrape_configs: tuple[ScrapeConfig, ...] = opt(
        sections(ScrapeConfig, "empty or null scrape config section"), ()
    )
    alerting: AlertingConfig = opt(section(AlertingConfig), AlertingConfig())
    remote_write: tuple[RemoteWriteConfig, ...] = opt(
        sections(RemoteWriteConfig, "empty or null remote write config section"), ()
    )
    remote_read: tuple[RemoteReadConfig, ...] = opt(
        sections(RemoteReadConfig, "empty or null remote read config section"), ()
    )
    storage: StorageConfig = opt(section(StorageConfig), StorageConfig())
    otlp: OTLPConfig = opt(section(OTLPConfig), OTLPConfig())
    tracing: TracingConfig | None = opt(maybe(TracingConfig), None)

    # Jobs from scrape_config_files: they act, and are not printed.
    imported: tuple[ScrapeConfig, ...] = ()

    def check(self, at: At) -> None:
        """Names are unique within a section; OTLP and name validation agree."""
        _unique_names("remote write", self.remote_write, at.get("remote_write"))
        _unique_names("remote read", self.remote_read, at.get("remote_read"))
        legacy = self.global_.limits.metric_name_validation_scheme == "legacy"
        strategy = self.otlp.translation_strategy
        if legacy and strategy in ("NoTranslation", "NoUTF8EscapingWithSuffixes"):
            at.get("otlp").fail(
                f'OTLP translation strategy "{strategy}" is not allowed when UTF8 is disabled'
            )

    @property
    def jobs(self) -> tuple[ScrapeConfig, ...]:
        """All scrape configs, imported ones too."""
        return self.scrape_configs + self.imported

    def settled(self, at: At) -> Config:
        """The same with every scrape config's open fields filled from `global`."""
        base = self.global_.settled()
        places = at.get("scrape_configs").items() if self.scrape_configs else []
        jobs = zip(self.scrape_configs, places, strict=True)
        settled = tuple(job.settled(base, place) for job, place in jobs)
        return replace(self, global_=base, scrape_configs=settled)

    def to_yaml(self) -> str:
        """The configuration in YAML, secrets hidden: what the status page shows."""
        return yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True)


@record
class ScrapeConfigFile(Section):
    """A file that scrape_config_files names: scrape configs and nothing else."""

    scrape_configs: tuple[ScrapeConfig, ...] = opt(
        sections(ScrapeConfig, "empty or null scrape config section"), ()
    )


def matching_files(pattern: str) -> list[str]:
    """Existing files that a path pattern means, sorted."""
    path = Path(pattern)
    if not any(char in path.name for char in "*?["):
        return [pattern] if path.is_file() else []
    return sorted(str(found) for found in path.parent.glob(path.name) if found.is_file())

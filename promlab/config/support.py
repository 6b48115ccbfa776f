"""What promlab does not do yet, and so refuses to be asked for.

A configuration that a real Prometheus would act on must not be half followed in silence:
each thing here is valid, is really asked for, and has nothing in promlab behind it yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeVar

from promlab.config.config import Config
from promlab.config.discovery_sections import DiscoverySections
from promlab.config.document import At
from promlab.config.scrape import ScrapeConfig
from promlab.config.tracing import TracingConfig
from promlab.errors import ConfigError

T = TypeVar("T")
_OF_TRACING = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.grpc")


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that is asked for and missing: its place in the file, and what to do."""

    at: At
    message: str


_SERVER_ONLY = ("rule_files", "alerting", "remote_read")


def check_agent(config: Config, path: str) -> None:
    """Refuse what an agent has no use for: it stores nothing. Raises ConfigError."""
    for field in _SERVER_ONLY:
        if getattr(config, field) != getattr(Config(), field):
            raise ConfigError(f"field {field} is not allowed in agent mode", path=path, field=field)


def missing(config: Config, at: At) -> Iterator[Missing]:
    """Everything in this configuration that promlab can't do yet."""
    for job, place in _places(config.scrape_configs, at, "scrape_configs"):
        yield from of_job(job, place)
    for manager, place in _places(
        config.alerting.alertmanagers, at.get("alerting"), "alertmanagers"
    ):
        yield from _of_discovery(manager.discovery, place)
    if config.tracing is not None:
        yield from _of_tracing(config.tracing, at.get("tracing"))


def _of_tracing(tracing: TracingConfig, at: At) -> Iterator[Missing]:
    if not all(map(_is_there, _OF_TRACING)):
        yield Missing(at, "tracing needs the extra: pip install 'promlab[tracing]'")
    tls = tracing.tls_config
    if tracing.client_type == "grpc" and not tracing.insecure:
        for field in ("insecure_skip_verify", "min_version", "max_version"):
            if getattr(tls, field):
                message = "not supported yet over gRPC: use client_type http"
                yield Missing(at.get("tls_config").get(field), message)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package around it
        return False


def of_job(job: ScrapeConfig, at: At) -> Iterator[Missing]:
    """Everything in a scrape config that promlab can't do yet."""
    yield from _of_discovery(job.discovery, at)


def _of_discovery(discovery: DiscoverySections, at: At) -> Iterator[Missing]:
    oracle = [each for each in discovery.mechanisms if each.mechanism == "oci"]
    for section, place in _places(tuple(oracle), at, "oci_sd_configs"):
        if getattr(section, "auth", "") == "instance_principal":
            message = "instance principals are not supported yet: use api_key"
            yield Missing(place.get("auth"), message)


def _places(found: tuple[T, ...], at: At, key: str) -> Iterator[tuple[T, At]]:
    yield from zip(found, at.get(key).items() if found else [], strict=True)

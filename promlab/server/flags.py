"""The flags of `promlab serve`: Prometheus's names, defaults and meaning.

Every flag of Prometheus is known here. `HARMLESS` ones are taken and have no effect, because
nothing that they tune exists in promlab; `REFUSED` ones end the command with a line that
says why, because a user who gives one counts on what it does.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, NamedTuple

from promlab.errors import ServerError
from promlab.server.settings import Settings, duration_ms, external_url, route_prefix
from promlab.web.log import LEVELS


class Flag(NamedTuple):
    """One flag; a bool default makes it a switch, a list lets it be repeated."""

    name: str
    default: Any
    help: str
    metavar: str = "VALUE"


ACTIVE = [
    Flag("config.file", "prometheus.yml", "configuration file", "PATH"),
    Flag("config.auto-reload-interval", "30s", "how often to look for a changed configuration"),
    Flag("web.listen-address", ["0.0.0.0:9090"], "address to listen on; can be repeated; port 0 "
         "takes any free one", "HOST:PORT"),
    Flag("web.address-file", "", "write the addresses that are listened on to this file, one a "
         "line, as soon as they are", "PATH"),
    Flag("web.external-url", "", "URL under which users reach this server", "URL"),
    Flag("web.route-prefix", None, "prefix of all paths; default: the path of the external URL"),
    Flag("web.read-timeout", "5m", "close connections that are idle for longer", "DURATION"),
    Flag("web.max-connections", "512", "connections served at the same time", "N"),
    Flag("web.enable-lifecycle", False, "allow reload and shutdown by HTTP request"),
    Flag("web.enable-remote-write-receiver", False, "accept remote write requests"),
    Flag("web.page-title", "promlab", "title of the pages", "TEXT"),
    Flag("web.cors.origin", ".*", "anchored regular expression of allowed origins", "REGEX"),
    Flag("storage.tsdb.path", "data/", "folder of stored samples", "PATH"),
    Flag("storage.tsdb.retention.time", "15d", "how long samples are kept; 0s: for ever", "TIME"),
    Flag("query.lookback-delta", "5m", "how far back a sample still counts", "DURATION"),
    Flag("query.timeout", "2m", "longest time that a query may take", "DURATION"),
    Flag("query.max-concurrency", "20", "queries evaluated or waiting to be, at most", "N"),
    Flag("query.max-samples", "50000000", "samples that a query may load into memory", "N"),
    Flag("enable-feature", [], "comma-separated feature names", "NAMES"),
    Flag("log.level", "info", "least severe lines to log: debug, info, warn, error", "LEVEL"),
    Flag("log.format", "logfmt", "logfmt or json", "FORMAT"),
]  # fmt: skip

# Accepted without effect: what they tune does not exist here, or is always as wished.
HARMLESS = [
    Flag("auto-gomaxprocs", True, ""),
    Flag("auto-gomemlimit", True, ""),
    Flag("auto-gomemlimit.ratio", "0.9", ""),
    Flag("web.max-notifications-subscribers", "16", ""),
    Flag("web.search.max-limit", "10000", ""),
    Flag("web.local-assets", "", ""),
    Flag("web.console.templates", "consoles", ""),
    Flag("web.console.libraries", "console_libraries", ""),
    Flag("web.remote-write-receiver.accepted-protobuf-messages", ["prometheus.WriteRequest"], ""),
    Flag("storage.tsdb.min-block-duration", "2h", ""),
    Flag("storage.tsdb.max-block-duration", "36h", ""),
    Flag("storage.tsdb.wal-segment-size", "0", ""),
    Flag("storage.tsdb.wal-compression", True, ""),
    Flag("storage.tsdb.wal-compression-type", "zstd", ""),
    Flag("storage.tsdb.samples-per-chunk", "120", ""),
    Flag("storage.tsdb.block-reload-interval", "1m", ""),
    Flag("storage.tsdb.head-chunks-write-queue-size", "0", ""),
    Flag("storage.tsdb.delay-compact-file.path", "", ""),
    Flag("storage.tsdb.allow-overlapping-blocks", True, ""),
    Flag("storage.remote.flush-deadline", "1m", ""),
    Flag("storage.remote.read-sample-limit", "5e7", ""),
    Flag("storage.remote.read-concurrent-limit", "10", ""),
    Flag("storage.remote.read-max-bytes-in-frame", "1048576", ""),
    Flag("rules.alert.for-outage-tolerance", "1h", ""),
    Flag("rules.alert.for-grace-period", "10m", ""),
    Flag("rules.alert.resend-delay", "1m", ""),
    Flag("rules.max-concurrent-evals", "4", ""),
    Flag("alertmanager.notification-queue-capacity", "10000", ""),
    Flag("alertmanager.notification-batch-size", "256", ""),
    Flag("alertmanager.drain-notification-queue-on-shutdown", True, ""),
    Flag("scrape.adjust-timestamps", True, ""),
    Flag("scrape.timestamp-tolerance", "2ms", ""),
    Flag("scrape.discovery-reload-interval", "5s", ""),
]

REFUSED = {
    "agent": "this server always stores what it scrapes",
    "storage.agent.path": "this server has no agent mode",
    "storage.agent.wal-compression": "this server has no agent mode",
    "storage.agent.wal-compression-type": "this server has no agent mode",
    "storage.agent.retention.min-time": "this server has no agent mode",
    "storage.agent.retention.max-time": "this server has no agent mode",
    "storage.agent.no-lockfile": "this server has no agent mode",
    "storage.tsdb.no-lockfile": "two servers must never write one data directory",
    "storage.tsdb.retention.size": "samples are kept by age, see --storage.tsdb.retention.time",
    "web.config.file": "put a reverse proxy in front for TLS and passwords",
    "web.user-assets": "no files are served from folders",
    "web.enable-admin-api": "there are no admin endpoints",
    "web.enable-otlp-receiver": "there is no OTLP receiver",
}  # fmt: skip

_SWITCHES = {
    "agent",
    "storage.agent.wal-compression",
    "storage.agent.no-lockfile",
    "storage.tsdb.no-lockfile",
    "web.enable-admin-api",
    "web.enable-otlp-receiver",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """All flags; those without effect, and those that are refused, are not in --help."""
    for flag in ACTIVE:
        _add(parser, flag, flag.help)
    for flag in HARMLESS:
        _add(parser, flag, argparse.SUPPRESS)
    for name in REFUSED:
        _add(parser, Flag(name, False if name in _SWITCHES else None, ""), argparse.SUPPRESS)


def _add(parser: argparse.ArgumentParser, flag: Flag, text: str) -> None:
    options: dict[str, Any] = {"dest": flag.name, "default": flag.default, "help": text}
    if isinstance(flag.default, bool):
        options["action"] = argparse.BooleanOptionalAction
    elif isinstance(flag.default, list):
        options |= {"action": "append", "metavar": flag.metavar, "default": None}
    else:
        options["metavar"] = flag.metavar
    if text != argparse.SUPPRESS and not isinstance(flag.default, bool) and flag.default:
        shown = flag.default[0] if isinstance(flag.default, list) else flag.default
        options["help"] = f"{text} (default: {shown})".replace("%", "%%")
    parser.add_argument(f"--{flag.name}", **options)


def settings_of(given: dict[str, Any]) -> Settings:
    """Settings from the parsed flags. Raises ServerError naming the flag."""
    for name, reason in REFUSED.items():
        if given.get(name):
            raise ServerError(f"--{name} is not available: {reason}")
    defaults = {flag.name: flag.default for flag in (*ACTIVE, *HARMLESS)}
    flags = {name: given[name] if given.get(name) is not None else defaults[name]
             for name in defaults}  # fmt: skip
    features = [part for text in flags["enable-feature"] for part in text.split(",") if part]
    listen = flags["web.listen-address"]
    url = external_url(flags["web.external-url"], listen[0])
    prefix = route_prefix(flags["web.route-prefix"], url)
    flags |= {"web.external-url": url, "web.route-prefix": prefix or "/"}
    reload_ms = duration_ms("config.auto-reload-interval", flags["config.auto-reload-interval"])
    return Settings(
        config_file=flags["config.file"],
        config_reload_interval_s=reload_ms / 1000 if "auto-reload-config" in features else 0.0,
        data_path=flags["storage.tsdb.path"],
        retention_ms=duration_ms(
            "storage.tsdb.retention.time", flags["storage.tsdb.retention.time"]
        ),
        listen_addresses=listen,
        address_file=flags["web.address-file"],
        external_url=url,
        route_prefix=prefix,
        enable_lifecycle=flags["web.enable-lifecycle"],
        enable_remote_write=flags["web.enable-remote-write-receiver"],
        page_title=flags["web.page-title"],
        cors_origin=_regex("web.cors.origin", flags["web.cors.origin"]),
        max_connections=_positive("web.max-connections", flags["web.max-connections"]),
        read_timeout_s=duration_ms("web.read-timeout", flags["web.read-timeout"]) / 1000,
        lookback_ms=duration_ms("query.lookback-delta", flags["query.lookback-delta"]),
        query_timeout_s=duration_ms("query.timeout", flags["query.timeout"]) / 1000,
        max_concurrency=_positive("query.max-concurrency", flags["query.max-concurrency"]),
        max_samples=_positive("query.max-samples", flags["query.max-samples"]),
        features=features,
        log_level=_one_of("log.level", flags["log.level"], list(LEVELS)),
        log_format=_one_of("log.format", flags["log.format"], ["logfmt", "json"]),
        flags={name: _as_text(value) for name, value in flags.items()},
        started_ms=time.time_ns() // 1_000_000,
    )


def _as_text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return ",".join(value)
        case _:
            return str(value)


def _positive(flag: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise ServerError(f"--{flag}: {text!r} is not a whole number above 0")
    return int(text)


def _one_of(flag: str, text: str, choices: list[str]) -> str:
    if text not in choices:
        raise ServerError(f"--{flag}: {text!r} is none of {', '.join(choices)}")
    return text


def _regex(flag: str, pattern: str) -> str:
    from promlab.model.matchers import BadRegex, compile_regex

    try:
        compile_regex(pattern)
    except BadRegex as error:
        raise ServerError(f"--{flag}: {error}") from None
    return pattern

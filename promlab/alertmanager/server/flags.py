"""The flags of `promlab alertmanager`: the real one's names, defaults and meaning."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from promlab.alertmanager.config.kinds import parse_go_duration
from promlab.alertmanager.matchers import Mode
from promlab.errors import ServerError
from promlab.web.log import LEVELS

FEATURES = (
    "alert-names-in-metrics", "receiver-name-in-metrics", "group-key-in-metrics", "classic-mode",
    "utf8-strict-mode", "auto-gomemlimit", "event-recorder",
)  # fmt: skip


class Flag(NamedTuple):
    """One flag; a bool default makes it a switch, a list lets it be repeated."""

    name: str
    default: Any
    help: str
    metavar: str = "VALUE"


FLAGS = [
    Flag("config.file", "alertmanager.yml", "configuration file", "PATH"),
    Flag("storage.path", "data/", "folder of silences and the notification log", "PATH"),
    Flag("data.retention", "120h", "how long silences and notifications are remembered", "TIME"),
    Flag("data.maintenance-interval", "15m", "how often what is old is forgotten", "TIME"),
    Flag("silences.max-silences", "0", "most silences, expired ones included; 0: no limit", "N"),
    Flag("silences.max-silence-size-bytes", "0", "largest silence; 0: no limit", "N"),
    Flag("log.silences", False, "log every change of a silence"),
    Flag("alerts.gc-interval", "30m", "how often resolved alerts are forgotten", "TIME"),
    Flag("alerts.per-alertname-limit", "0", "most alerts of one name; 0: no limit", "N"),
    Flag("dispatch.maintenance-interval", "30s", "how often empty groups are forgotten", "TIME"),
    Flag("dispatch.start-delay", "0s", "notify nobody for so long after the start", "TIME"),
    Flag("web.listen-address", [":9093"], "address to listen on; can be repeated; port 0 takes "
         "any free one", "HOST:PORT"),
    Flag("web.address-file", "", "write the addresses that are listened on to this file, one a "
         "line", "PATH"),
    Flag("web.config.file", "", "file with TLS and authentication of the web server", "PATH"),
    Flag("web.external-url", "", "URL under which users reach this Alertmanager", "URL"),
    Flag("web.route-prefix", None, "prefix of all paths; default: the path of the external URL"),
    Flag("web.get-concurrency", "0", "GET requests served at a time; 0: a good number", "N"),
    Flag("web.timeout", "0", "longest time that a request may take; 0: no limit", "TIME"),
    Flag("cluster.listen-address", "0.0.0.0:9094", "address for peers; empty: no cluster",
         "HOST:PORT"),
    Flag("cluster.advertise-address", "", "address under which peers reach this one", "HOST:PORT"),
    Flag("cluster.peer", [], "a peer; can be repeated", "HOST:PORT"),
    Flag("cluster.peer-name", "", "name of this peer; default: a random one", "NAME"),
    Flag("cluster.peer-timeout", "15s", "how long each peer waits for those before it", "TIME"),
    Flag("cluster.peers-resolve-timeout", "15s", "how long to wait for peers to be found", "TIME"),
    Flag("cluster.gossip-interval", "200ms", "how often news are sent to peers", "TIME"),
    Flag("cluster.pushpull-interval", "1m", "how often everything is exchanged", "TIME"),
    Flag("cluster.tcp-timeout", "10s", "longest exchange of everything", "TIME"),
    Flag("cluster.probe-timeout", "500ms", "how long a peer may take to show a sign of life",
         "TIME"),
    Flag("cluster.probe-interval", "1s", "how often peers are asked for one", "TIME"),
    Flag("cluster.settle-timeout", "1m", "longest wait for the cluster before notifying", "TIME"),
    Flag("cluster.reconnect-interval", "10s", "how often lost peers are tried", "TIME"),
    Flag("cluster.reconnect-timeout", "6h", "how long lost peers are tried", "TIME"),
    Flag("cluster.label", "", "name that keeps clusters apart", "NAME"),
    Flag("cluster.tls-config", "", "file with certificates for the traffic of peers", "PATH"),
    Flag("enable-feature", [], "comma-separated feature names: " + ", ".join(FEATURES), "NAMES"),
    Flag("log.level", "info", "least severe lines to log: debug, info, warn, error", "LEVEL"),
    Flag("log.format", "logfmt", "logfmt or json", "FORMAT"),
]  # fmt: skip

# Taken without effect: what they tune does not exist here.
HARMLESS = [
    Flag("web.systemd-socket", False, ""),
    Flag("web.ui-path", "", ""),
    Flag("auto-gomemlimit.ratio", "0.9", ""),
    Flag("cluster.allow-insecure-public-advertise-address-discovery", False, ""),
]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare all flags; each is given with two dashes."""
    for flag in (*FLAGS, *HARMLESS):
        _add(parser, flag)


def _add(parser: argparse.ArgumentParser, flag: Flag) -> None:
    text = (flag.help.replace("%", "%%") or argparse.SUPPRESS) if flag.help else argparse.SUPPRESS
    more: dict[str, Any] = {"dest": flag.name, "help": text}
    if isinstance(flag.default, bool):
        parser.add_argument(f"--{flag.name}", action="store_true", default=flag.default, **more)
        parser.add_argument(
            f"--no-{flag.name}", action="store_false", dest=flag.name, help=argparse.SUPPRESS
        )
    elif isinstance(flag.default, list):
        parser.add_argument(
            f"--{flag.name}", action="append", default=None, metavar=flag.metavar, **more
        )
    else:
        parser.add_argument(f"--{flag.name}", default=flag.default, metavar=flag.metavar, **more)


@dataclass(frozen=True, slots=True)
class Features:
    """What `--enable-feature` asked for."""

    mode: Mode = Mode.FALLBACK
    alert_names: bool = False
    receiver_names: bool = False
    group_keys: bool = False


def parse_features(given: Iterable[str]) -> Features:
    """Features by name. Raises ServerError for one that does not exist."""
    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FEATURES:
            raise ServerError(
                f"unknown option {name!r} for --enable-feature: it must be one of "
                + ", ".join(FEATURES)
            )
    if "classic-mode" in names and "utf8-strict-mode" in names:
        raise ServerError("cannot enable classic-mode and utf8-strict-mode at the same time")
    if "event-recorder" in names:
        raise ServerError("the event recorder is not supported: leave event-recorder out")
    mode = next((m for m in (Mode.CLASSIC, Mode.UTF8) if m.value in names), Mode.FALLBACK)
    return Features(
        mode,
        alert_names="alert-names-in-metrics" in names,
        receiver_names="receiver-name-in-metrics" in names,
        group_keys="group-key-in-metrics" in names,
    )


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """How peers find and hear each other; seconds."""

    listen_address: str = ""
    advertise_address: str = ""
    peers: tuple[str, ...] = ()
    name: str = ""
    label: str = ""
    tls_config: str = ""
    peer_timeout_s: float = 15.0
    resolve_timeout_s: float = 15.0
    gossip_interval_s: float = 0.2
    pushpull_interval_s: float = 60.0
    tcp_timeout_s: float = 10.0
    probe_timeout_s: float = 0.5
    probe_interval_s: float = 1.0
    settle_timeout_s: float = 60.0
    reconnect_interval_s: float = 10.0
    reconnect_timeout_s: float = 21_600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that flags say, checked; seconds."""

    config_file: str
    storage_path: str
    listen_addresses: tuple[str, ...]
    external_url: str = ""
    route_prefix: str = ""
    address_file: str = ""
    web_config_file: str = ""
    get_concurrency: int = 16
    timeout_s: float = 0.0
    retention_s: float = 432_000.0
    maintenance_interval_s: float = 900.0
    max_silences: int = 0
    max_silence_bytes: int = 0
    log_silences: bool = False
    gc_interval_s: float = 1800.0
    per_alertname_limit: int = 0
    dispatch_maintenance_s: float = 30.0
    start_delay_s: float = 0.0
    features: Features = Features()
    cluster: ClusterSettings = ClusterSettings()
    log_level: str = "info"
    log_format: str = "logfmt"


def settings(args: argparse.Namespace) -> Settings:
    """Settings from parsed flags. Raises ServerError, with the flag's name."""
    given = vars(args)

    def text(name: str) -> str:
        return str(given[name] or "")

    def seconds(name: str) -> float:
        return _seconds(name, text(name))

    def number(name: str) -> int:
        try:
            return max(0, int(text(name)))
        except ValueError:
            raise ServerError(f"--{name}: {text(name)!r} is not a whole number") from None

    external = text("web.external-url").rstrip("/")
    if external and urlsplit(external).scheme not in ("http", "https"):
        raise ServerError(f"--web.external-url: {external!r} is not an http or https URL")
    prefix = given["web.route-prefix"]
    prefix = urlsplit(external).path if prefix is None else str(prefix)
    if text("log.level") not in LEVELS:
        raise ServerError(f"--log.level: {text('log.level')!r} is none of {', '.join(LEVELS)}")
    if text("log.format") not in ("logfmt", "json"):
        raise ServerError(f"--log.format: {text('log.format')!r} is neither logfmt nor json")
    return Settings(
        config_file=text("config.file"),
        storage_path=text("storage.path"),
        listen_addresses=tuple(given["web.listen-address"] or [":9093"]),
        external_url=external,
        route_prefix="/" + prefix.strip("/") if prefix.strip("/") else "",
        address_file=text("web.address-file"),
        web_config_file=text("web.config.file"),
        get_concurrency=number("web.get-concurrency") or 16,
        timeout_s=max(0.0, seconds("web.timeout")),
        retention_s=seconds("data.retention"),
        maintenance_interval_s=_positive("data.maintenance-interval", given),
        max_silences=number("silences.max-silences"),
        max_silence_bytes=number("silences.max-silence-size-bytes"),
        log_silences=bool(given["log.silences"]),
        gc_interval_s=_positive("alerts.gc-interval", given),
        per_alertname_limit=number("alerts.per-alertname-limit"),
        dispatch_maintenance_s=_positive("dispatch.maintenance-interval", given),
        start_delay_s=seconds("dispatch.start-delay"),
        features=parse_features(given["enable-feature"] or []),
        cluster=_cluster(given),
        log_level=text("log.level"),
        log_format=text("log.format"),
    )


def _cluster(given: dict[str, Any]) -> ClusterSettings:
    def seconds(name: str) -> float:
        return _positive(f"cluster.{name}", given)

    return ClusterSettings(
        listen_address=str(given["cluster.listen-address"] or ""),
        advertise_address=str(given["cluster.advertise-address"] or ""),
        peers=tuple(given["cluster.peer"] or ()),
        name=str(given["cluster.peer-name"] or ""),
        label=str(given["cluster.label"] or ""),
        tls_config=str(given["cluster.tls-config"] or ""),
        peer_timeout_s=seconds("peer-timeout"),
        resolve_timeout_s=seconds("peers-resolve-timeout"),
        gossip_interval_s=seconds("gossip-interval"),
        pushpull_interval_s=seconds("pushpull-interval"),
        tcp_timeout_s=seconds("tcp-timeout"),
        probe_timeout_s=seconds("probe-timeout"),
        probe_interval_s=seconds("probe-interval"),
        settle_timeout_s=_seconds("cluster.settle-timeout", str(given["cluster.settle-timeout"])),
        reconnect_interval_s=seconds("reconnect-interval"),
        reconnect_timeout_s=seconds("reconnect-timeout"),
    )


def _seconds(name: str, text: str) -> float:
    try:
        if text.isdigit():  # seconds, where a flag of the real one takes a mere number
            return float(text)
        return parse_go_duration(text)
    except ValueError:
        raise ServerError(f"--{name}: {text!r} is not a duration, for instance 30s") from None


def _positive(name: str, given: dict[str, Any]) -> float:
    found = _seconds(name, str(given[name]))
    if not 0 < found < math.inf:
        raise ServerError(f"--{name}: must be more than 0")
    return found


def shown(args: argparse.Namespace) -> dict[str, str]:
    """All flags with their values, for the status page."""
    given = vars(args)
    return {flag.name: str(given[flag.name]) for flag in FLAGS}

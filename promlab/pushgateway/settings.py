"""The flags of `promlab pushgateway`: the real one's names, defaults and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from promlab.errors import ConfigError
from promlab.model.durations import parse_duration_ms

LOG_LEVELS = ("debug", "info", "warn", "error")
FLAGS: dict[str, tuple[Any, str]] = {
    "web.listen-address": ([], "host:port to listen on (:9091); repeatable; port 0: a free one"),
    "web.systemd-socket": (False, "listen on the sockets that systemd passes"),
    "web.config.file": ("", "file with TLS and passwords"),
    "web.telemetry-path": ("/metrics", "path of the metrics (/metrics)"),
    "web.external-url": ("", "URL under which the gateway is reached from outside"),
    "web.route-prefix": ("", "prefix of all paths; default: the path of the external URL"),
    "web.enable-lifecycle": (False, "allow shutdown by HTTP request"),
    "web.enable-admin-api": (False, "allow to wipe all groups by HTTP request"),
    "persistence.file": ("", "file in which groups survive; without it they don't"),
    "persistence.interval": ("5m", "least time between two rewrites of that file (5m)"),
    "push.disable-consistency-check": (False, "store what is pushed unchecked: dangerous"),
    "push.enable-utf8-names": (False, "allow names of any characters"),
    "push.default-ttl": ("0s", "remove groups that nobody pushes to for this long; 0s: never"),
    "log.level": ("info", "least severe lines to log: debug, info, warn, error"),
    "log.format": ("logfmt", "logfmt or json"),
}  # fmt: skip
DEFAULT_ADDRESS = ":9091"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags said. Durations are seconds."""

    addresses: tuple[str, ...] = (DEFAULT_ADDRESS,)
    systemd: bool = False
    web_config: str = ""
    telemetry_path: str = "/metrics"
    route_prefix: str = ""
    lifecycle: bool = False
    admin_api: bool = False
    file: str = ""
    interval_s: float = 300.0
    check: bool = True
    utf8_names: bool = False
    default_ttl_s: float = 0.0
    log_level: str = "info"
    log_format: str = "logfmt"
    flags: Mapping[str, str] = field(default_factory=dict)


def settings_of(given: Mapping[str, Any]) -> Settings:
    """Settings of parsed flags, by their names. Raises ConfigError."""
    addresses = tuple(given.get("web.listen-address") or (DEFAULT_ADDRESS,))
    for name, allowed in (("log.level", LOG_LEVELS), ("log.format", ("logfmt", "json"))):
        if given[name] not in allowed:
            raise ConfigError(f"{given[name]!r} is none of {', '.join(allowed)}", field=f"--{name}")
    path = given["web.telemetry-path"]
    if not path.startswith("/") or path == "/":
        raise ConfigError(f"{path!r} must be a path like /metrics", field="--web.telemetry-path")
    return Settings(
        addresses,
        given["web.systemd-socket"],
        given["web.config.file"],
        path,
        _prefix(given["web.route-prefix"], given["web.external-url"]),
        given["web.enable-lifecycle"],
        given["web.enable-admin-api"],
        given["persistence.file"],
        _seconds(given, "persistence.interval"),
        not given["push.disable-consistency-check"],
        given["push.enable-utf8-names"],
        _seconds(given, "push.default-ttl"),
        given["log.level"],
        given["log.format"],
        {name: _shown(given.get(name), default) for name, (default, _) in FLAGS.items()},
    )


def _shown(value: Any, default: Any) -> str:
    value = default if value is None else value
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) or DEFAULT_ADDRESS if isinstance(value, list) else str(value)


def _seconds(given: Mapping[str, Any], name: str) -> float:
    try:
        return parse_duration_ms(given[name]) / 1000
    except ValueError as error:
        raise ConfigError(str(error), field=f"--{name}") from None


def _prefix(prefix: str, external: str) -> str:
    if external:
        url = urlsplit(external if "//" in external else f"http://{external}")
        if url.scheme not in ("http", "https") or not url.netloc:
            raise ConfigError(f"{external!r} is not an HTTP URL", field="--web.external-url")
        prefix = prefix or url.path
    return f"/{prefix.strip('/')}".rstrip("/")

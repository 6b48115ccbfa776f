"""The flags of `promlab serve`: Prometheus's names, defaults and meaning, as settings."""

from __future__ import annotations

import argparse
import time
from typing import Any

from promlab.errors import ServerError
from promlab.server.agent_flags import agent_storage
from promlab.server.flag_table import ACTIVE, HARMLESS, REFUSED, SWITCHES, Flag
from promlab.server.settings import Settings, duration_ms, external_url, route_prefix, size_of
from promlab.web.log import LEVELS
from promlab.web.sockets import is_loopback

# What only a server, or only an agent, can be told: the other one ends with exit code 3.
_SERVER_ONLY = ("storage.tsdb.", "storage.remote.read-", "rules.", "query.", "alertmanager.")
_AGENT_ONLY = ("storage.agent.",)
EXIT_OTHER_MODE = 3


class OtherMode(ServerError):
    """A flag was given that belongs to the mode that was not asked for."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """All flags; those without effect, and those that are refused, are not in --help."""
    for flag in ACTIVE:
        _add(parser, flag, flag.help or argparse.SUPPRESS)
    for flag in HARMLESS:
        _add(parser, flag, argparse.SUPPRESS)
    for name in REFUSED:
        _add(parser, Flag(name, False if name in SWITCHES else None, ""), argparse.SUPPRESS)


def _add(parser: argparse.ArgumentParser, flag: Flag, text: str) -> None:
    # None tells a flag that was not given from one given as its default.
    options: dict[str, Any] = {"dest": flag.name, "default": None, "help": text}
    if isinstance(flag.default, bool):
        options["action"] = argparse.BooleanOptionalAction
    elif isinstance(flag.default, list):
        options |= {"action": "append", "metavar": flag.metavar}
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
    _check_mode(given)
    defaults = {flag.name: flag.default for flag in (*ACTIVE, *HARMLESS)}
    flags = {name: given[name] if given.get(name) is not None else defaults[name]
             for name in defaults}  # fmt: skip
    features = _features(flags["enable-feature"])
    listen = flags["web.listen-address"]
    url = external_url(flags["web.external-url"], listen[0])
    prefix = route_prefix(flags["web.route-prefix"], url)
    lab = _boolean("web.enable-lab-api", flags["web.enable-lab-api"], all(map(is_loopback, listen)))
    flags |= {
        "web.external-url": url,
        "web.route-prefix": prefix or "/",
        "web.enable-lab-api": lab,
    }
    return Settings(
        config_file=flags["config.file"],
        config_reload_interval_s=_reload_interval_s(flags, features),
        expand_env=flags["config.expand-env"],
        data_path=flags["storage.agent.path" if flags["agent"] else "storage.tsdb.path"],
        listen_addresses=listen,
        agent=flags["agent"],
        external_url=url,
        route_prefix=prefix,
        enable_lab=lab,
        features=features,
        log_level=_one_of("log.level", flags["log.level"], list(LEVELS)),
        log_format=_one_of("log.format", flags["log.format"], ["logfmt", "json"]),
        flags={name: _as_text(value) for name, value in flags.items()},
        started_ms=time.time_ns() // 1_000_000,
        **_web(flags),
        **_limits(flags),
        **_durations(flags),
        **(agent_storage(flags) if flags["agent"] else _storage(flags, given)),
    )


def _features(given: list[str]) -> list[str]:
    features = [part for text in given for part in text.split(",") if part]
    both = {"otlp-deltatocumulative", "otlp-native-delta-ingestion"}
    if both <= set(features):
        raise ServerError(
            "--enable-feature: otlp-deltatocumulative and otlp-native-delta-ingestion exclude each "
            "other: leave one of them out"
        )
    return features


def _check_mode(given: dict[str, Any]) -> None:
    """Prometheus ends with code 3 here, and so does this server. Raises OtherMode."""
    agent = bool(given.get("agent"))
    wrong = _SERVER_ONLY if agent else _AGENT_ONLY
    found = [name for name, value in given.items() if value is not None and name.startswith(wrong)]
    if found:
        may = "not be used in agent mode" if agent else "only be used in agent mode"
        names = " ".join(f'"--{name}"' for name in sorted(found))
        raise OtherMode(f"The following flag(s) can {may}: [{names}]")


def _reload_interval_s(flags: dict[str, Any], features: list[str]) -> float:
    """How often files are looked at; 0 for never."""
    if not flags["config.auto-reload"] and "auto-reload-config" not in features:
        return 0.0
    name = "config.auto-reload-interval"
    return duration_ms(name, flags[name]) / 1000


def _web(flags: dict[str, Any]) -> dict[str, Any]:
    return {
        "address_file": flags["web.address-file"],
        "web_config_file": flags["web.config.file"],
        "user_assets": flags["web.user-assets"],
        "console_templates": flags["web.console.templates"],
        "console_libraries": flags["web.console.libraries"],
        "enable_lifecycle": flags["web.enable-lifecycle"],
        "enable_admin": flags["web.enable-admin-api"],
        "enable_remote_write": flags["web.enable-remote-write-receiver"],
        "accepted_write_messages": _write_messages(
            flags["web.remote-write-receiver.accepted-protobuf-messages"]
        ),
        "enable_otlp": flags["web.enable-otlp-receiver"],
        "page_title": flags["web.page-title"],
        "cors_origin": _regex("web.cors.origin", flags["web.cors.origin"]),
        "drain_notifications": flags["alertmanager.drain-notification-queue-on-shutdown"],
        "max_query_bytes": size_of("query.max-memory", flags["query.max-memory"]),
    }


def _limits(flags: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers above 0, and limits of which 0 is none."""
    names = {
        "max_connections": "web.max-connections",
        "max_subscribers": "web.max-notifications-subscribers",
        "search_max_limit": "web.search.max-limit",
        "max_concurrency": "query.max-concurrency",
        "max_samples": "query.max-samples",
        "max_concurrent_evals": "rules.max-concurrent-evals",
        "notification_capacity": "alertmanager.notification-queue-capacity",
        "notification_batch": "alertmanager.notification-batch-size",
    }
    found = {field: _positive(name, flags[name]) for field, name in names.items()}
    reads = {
        "read_max_samples": "storage.remote.read-sample-limit",
        "read_concurrency": "storage.remote.read-concurrent-limit",
        "read_frame_bytes": "storage.remote.read-max-bytes-in-frame",
    }
    return found | {field: _limit(name, flags[name]) for field, name in reads.items()}


def _durations(flags: dict[str, Any]) -> dict[str, Any]:
    names = {
        "lookback_ms": "query.lookback-delta",
        "outage_tolerance_ms": "rules.alert.for-outage-tolerance",
        "grace_period_ms": "rules.alert.for-grace-period",
        "resend_delay_ms": "rules.alert.resend-delay",
    }
    found: dict[str, Any] = {field: duration_ms(name, flags[name]) for field, name in names.items()}
    found["query_timeout_s"] = duration_ms("query.timeout", flags["query.timeout"]) / 1000
    found["read_timeout_s"] = duration_ms("web.read-timeout", flags["web.read-timeout"]) / 1000
    return found


def _storage(flags: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What is kept, and in blocks of what length. A size alone sets no limit of time."""
    time_flag, size_flag = "storage.tsdb.retention.time", "storage.tsdb.retention.size"
    size = size_of(size_flag, flags[size_flag])
    by_size_only = size > 0 and given.get(time_flag) is None
    longest = "storage.tsdb.max-block-duration"
    shortest_ms = duration_ms(
        "storage.tsdb.min-block-duration", flags["storage.tsdb.min-block-duration"]
    )
    longest_ms = duration_ms(longest, flags[longest]) if given.get(longest) is not None else 0
    if longest_ms and longest_ms < shortest_ms:
        raise ServerError(f"--{longest}: shorter than --storage.tsdb.min-block-duration")
    retention_ms = 0 if by_size_only else duration_ms(time_flag, flags[time_flag])
    return {
        "retention_ms": retention_ms,
        "retention_bytes": size,
        "wal_fsync": _one_of(
            "storage.tsdb.wal-fsync", flags["storage.tsdb.wal-fsync"], ["interval", "always"]
        ),
        "serve_early": flags["storage.tsdb.serve-while-replaying"],
        "policies_file": flags["storage.tsdb.policies-file"],
        "min_block_ms": shortest_ms,
        "max_block_ms": longest_ms,
    }


def _boolean(flag: str, text: str | None, default: bool) -> bool:
    if text is None:
        return default
    return _one_of(flag, text, ["true", "false"]) == "true"


def _as_text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return ",".join(value)
        case _:
            return str(value)


def _write_messages(given: list[str]) -> tuple[str, ...]:
    known = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"]
    flag = "web.remote-write-receiver.accepted-protobuf-messages"
    return tuple(_one_of(flag, name, known) for text in given for name in text.split(","))


def _positive(flag: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise ServerError(f"--{flag}: {text!r} is not a whole number above 0")
    return int(text)


def _limit(flag: str, text: str) -> int:
    """A whole number, 5e7 too; 0 for no limit."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not (0 <= found < 2**63 and found.is_integer()):
        raise ServerError(f"--{flag}: {text!r} is not a whole number")
    return int(found)


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

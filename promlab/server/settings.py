"""What the command line says, checked, in one value that the processes hand to each other."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from promlab.errors import ServerError
from promlab.model.durations import parse_duration_ms


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one server; `flags` are all flags as text, for the status page."""

    config_file: str = "prometheus.yml"
    config_reload_interval_s: float = 0.0  # 0: only when told to
    data_path: str = "data/"
    listen_addresses: list[str] = []
    address_file: str = ""
    external_url: str = ""
    route_prefix: str = "/"
    web_config_file: str = ""
    user_assets: str = ""
    console_templates: str = "consoles"
    console_libraries: str = "console_libraries"
    enable_lifecycle: bool = False
    enable_admin: bool = False
    enable_lab: bool = False  # targets and rules by request, queries to be stopped
    enable_remote_write: bool = False
    accepted_write_messages: tuple[str, ...] = (
        "prometheus.WriteRequest",
        "io.prometheus.write.v2.Request",
    )
    enable_otlp: bool = False
    page_title: str = ""
    cors_origin: str = ".*"
    max_connections: int = 512
    read_timeout_s: float = 300.0
    lookback_ms: int = 300_000
    query_timeout_s: float = 120.0
    max_concurrency: int = 20
    max_samples: int = 50_000_000
    max_query_bytes: int = 0  # 0: as many as max_samples allows
    max_subscribers: int = 16
    search_max_limit: int = 10_000
    expand_env: bool = False
    agent: bool = False
    outage_tolerance_ms: int = 3_600_000
    grace_period_ms: int = 600_000
    resend_delay_ms: int = 60_000
    max_concurrent_evals: int = 4
    notification_capacity: int = 10_000
    notification_batch: int = 256
    drain_notifications: bool = True
    wal_fsync: str = "interval"
    serve_early: bool = False  # queries, while the log is still being read
    retention_ms: int = 0
    retention_bytes: int = 0
    policies_file: str = ""
    read_max_samples: int = 50_000_000  # of one remote read; 0: any number
    read_concurrency: int = 10  # remote reads at the same time; 0: any number
    read_frame_bytes: int = 1_048_576
    min_block_ms: int = 7_200_000
    max_block_ms: int = 0  # 0: a tenth of the retention
    keep_sent_ms: int = 300_000  # how long an agent keeps what it has sent
    truncate_ms: int = 7_200_000  # how often an agent's files end, at least
    wal_segment_bytes: int = 0  # of an agent; 0: as a server's
    features: list[str] = []
    log_level: str = "info"
    log_format: str = "logfmt"
    flags: dict[str, str] = {}
    channel_path: str = ""  # where the writer listens
    rules_checked: bool = False  # rule files were found to be valid a moment ago
    started_ms: int = 0


def duration_ms(flag: str, text: str) -> int:
    """A duration given on the command line. Raises ServerError naming the flag."""
    try:
        return parse_duration_ms(text)
    except ValueError as error:
        raise ServerError(f"--{flag}: {error}") from None


def size_of(flag: str, text: str) -> int:
    """Bytes of a size like 512MB; 0 for none."""
    if not text:
        return 0
    from promlab.config.kinds import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise ServerError(f"--{flag}: {error}") from None


def external_url(given: str, listen_address: str) -> str:
    """The URL that users see: as given, or made from this machine's name and the port."""
    if not given:
        port = listen_address.rpartition(":")[2]
        return f"http://{socket.gethostname()}:{port}"
    url = given if "://" in given else f"http://{given}"
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ServerError(f"--web.external-url: {given!r} is not an http or https URL")
    return url.rstrip("/")


def route_prefix(given: str | None, url: str) -> str:
    """What every path begins with: no slash at its end, empty for none."""
    prefix = urlsplit(url).path if given is None else given
    return "/" + prefix.strip("/") if prefix.strip("/") else ""


def encode(settings: Settings) -> bytes:
    """Settings as JSON."""
    return msgspec.json.encode(settings)


def decode(text: bytes) -> Settings:
    """Settings from JSON."""
    return msgspec.json.decode(text, type=Settings)


def short_folder() -> Path:
    """A new private folder whose path is short enough for a Unix socket's name."""
    default = tempfile.gettempdir()
    parent: Any = default if len(default) < 60 else "/tmp"  # noqa: S108  (mkdtemp makes it ours)
    return Path(tempfile.mkdtemp(prefix="promlab-", dir=parent))

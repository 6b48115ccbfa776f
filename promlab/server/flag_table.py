"""Every flag of Prometheus that `promlab serve` knows, with what it does or why it is refused.

`HARMLESS` ones are taken and have no effect, because nothing that they tune exists in promlab;
`REFUSED` ones end the command with a line that says why, because a user who gives one counts
on what it does.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Flag(NamedTuple):
    """One flag; a bool default makes it a switch, a list lets it be repeated."""

    name: str
    default: Any
    help: str
    metavar: str = "VALUE"


ACTIVE = [
    Flag("config.file", "prometheus.yml", "configuration file", "PATH"),
    Flag("config.auto-reload", False, "reload the configuration whenever its files change"),
    Flag("config.auto-reload-interval", "30s", "how often to look for a changed configuration"),
    Flag("config.expand-env", False, "expand ${VAR} everywhere in the configuration"),
    Flag("web.listen-address", ["0.0.0.0:9090"], "address to listen on; can be repeated; port 0 "
         "takes any free one", "HOST:PORT"),
    Flag("web.address-file", "", "write the addresses that are listened on to this file, one a "
         "line, as soon as they are", "PATH"),
    Flag("web.config.file", "", "file with TLS, users and headers; read again when it changes",
         "PATH"),
    Flag("web.external-url", "", "URL under which users reach this server", "URL"),
    Flag("web.route-prefix", None, "prefix of all paths; default: the path of the external URL"),
    Flag("web.read-timeout", "5m", "close connections that are idle for longer", "DURATION"),
    Flag("web.max-connections", "512", "connections served at the same time", "N"),
    Flag("web.max-notifications-subscribers", "16", "browsers told at once of notifications", "N"),
    Flag("web.search.max-limit", "10000", "results of a search at most", "N"),
    Flag("web.user-assets", "", "folder whose files are served under /user", "PATH"),
    Flag("web.console.templates", "consoles", "folder of console pages, served under /consoles",
         "PATH"),
    Flag("web.console.libraries", "console_libraries", "folder of .lib files with definitions that "
         "console pages share", "PATH"),
    Flag("web.enable-lifecycle", False, "allow reload and shutdown by HTTP request"),
    Flag("web.enable-admin-api", False, "allow deleting series and snapshots by HTTP request"),
    Flag("web.enable-lab-api", None, "allow adding targets and rules and stopping queries by HTTP "
         "request; default: only where nothing but loopback is listened on", "true|false"),
    Flag("web.enable-remote-write-receiver", False, "accept remote write requests"),
    Flag("web.remote-write-receiver.accepted-protobuf-messages",
         ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"],
         "remote write messages to accept; can be repeated", "NAME"),
    Flag("web.enable-otlp-receiver", False, "accept OTLP metrics"),
    Flag("web.page-title", "promlab", "title of the pages", "TEXT"),
    Flag("web.cors.origin", ".*", "anchored regular expression of allowed origins", "REGEX"),
    Flag("storage.tsdb.path", "data/", "folder of stored samples", "PATH"),
    Flag("storage.tsdb.retention.time", "15d", "how long samples are kept; 0s: for ever", "TIME"),
    Flag("storage.tsdb.retention.size", "", "how much is kept, head and log included", "SIZE"),
    Flag("storage.tsdb.wal-fsync", "interval", "when what is logged is forced to the disk: "
         "interval (ten times a second) or always (before it is acknowledged)", "WHEN"),
    Flag("storage.tsdb.serve-while-replaying", False, "answer queries while the write-ahead log is "
         "still being read at the start; /-/ready says no until then"),
    Flag("storage.tsdb.policies-file", "", "file with retention by metric, and downsampling",
         "PATH"),
    Flag("storage.tsdb.min-block-duration", "2h", ""),
    Flag("storage.tsdb.max-block-duration", "36h", ""),
    Flag("rules.alert.for-outage-tolerance", "1h", "longest outage after which `for` goes on"),
    Flag("rules.alert.for-grace-period", "10m", "shortest `for` that survives a restart"),
    Flag("rules.alert.resend-delay", "1m", "least time until an alert is sent again"),
    Flag("rules.max-concurrent-evals", "4", "rules of all groups evaluated at once", "N"),
    Flag("alertmanager.notification-queue-capacity", "10000", "alerts in a queue at most", "N"),
    Flag("alertmanager.notification-batch-size", "256", "alerts in one request at most", "N"),
    Flag("alertmanager.drain-notification-queue-on-shutdown", True,
         "send what is queued before stopping"),
    Flag("query.lookback-delta", "5m", "how far back a sample still counts", "DURATION"),
    Flag("query.timeout", "2m", "longest time that a query may take", "DURATION"),
    Flag("query.max-concurrency", "20", "queries evaluated or waiting to be, at most", "N"),
    Flag("query.max-samples", "50000000", "samples that a query may load into memory", "N"),
    Flag("query.max-memory", "", "bytes that the samples of one query may take: 512MB", "SIZE"),
    Flag("enable-feature", [], "comma-separated feature names", "NAMES"),
    Flag("storage.agent.path", "data-agent/", "folder of what an agent has not sent yet", "PATH"),
    Flag("storage.agent.retention.min-time", "0s",
         "how long an agent keeps what it has sent; 0s: 5m", "DURATION"),
    Flag("storage.agent.retention.max-time", "0s",
         "how long an agent keeps samples, sent or not; 0s: 4h", "DURATION"),
    Flag("storage.agent.wal-truncate-frequency", "0s", ""),
    Flag("storage.agent.wal-segment-size", "0B", ""),
    Flag("storage.remote.read-sample-limit", "5e7", "samples of one remote read; 0: any number",
         "N"),
    Flag("storage.remote.read-concurrent-limit", "10", "remote reads at once; 0: any number", "N"),
    Flag("storage.remote.read-max-bytes-in-frame", "1048576",
         "bytes of one frame of a streamed remote read", "N"),
    Flag("agent", False, "scrape and send on only: no queries, rules or alerts"),
    Flag("log.level", "info", "least severe lines to log: debug, info, warn, error", "LEVEL"),
    Flag("log.format", "logfmt", "logfmt or json", "FORMAT"),
]  # fmt: skip

# Accepted without effect: what they tune does not exist here, or is always as wished.
HARMLESS = [
    Flag("auto-gomaxprocs", True, ""),
    Flag("auto-gomemlimit", True, ""),
    Flag("auto-gomemlimit.ratio", "0.9", ""),
    Flag("web.local-assets", "", ""),
    Flag("storage.tsdb.wal-segment-size", "0", ""),
    Flag("storage.tsdb.wal-compression", True, ""),
    Flag("storage.tsdb.wal-compression-type", "zstd", ""),
    Flag("storage.tsdb.samples-per-chunk", "120", ""),
    Flag("storage.tsdb.block-reload-interval", "1m", ""),
    Flag("storage.tsdb.head-chunks-write-queue-size", "0", ""),
    Flag("storage.tsdb.delay-compact-file.path", "", ""),
    Flag("storage.tsdb.allow-overlapping-blocks", True, ""),
    Flag("storage.agent.wal-compression", True, ""),
    Flag("storage.agent.wal-compression-type", "zstd", ""),
    Flag("storage.agent.no-lockfile", False, ""),
    Flag("storage.remote.flush-deadline", "1m", ""),
    Flag("scrape.adjust-timestamps", True, ""),
    Flag("scrape.timestamp-tolerance", "2ms", ""),
    Flag("scrape.discovery-reload-interval", "5s", ""),
]

REFUSED = {
    "storage.tsdb.no-lockfile": "two servers must never write one data directory",
}

SWITCHES = {"storage.tsdb.no-lockfile"}

"""`promlab exporter node`: export metrics of this machine, as node_exporter does.

The flags are node_exporter's. A collector's own flags stand in its module.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promlab.cli.flags import add_flag, add_switch
from promlab.errors import ConfigError

if TYPE_CHECKING:
    from promlab.exporters.serving import Collect

PORT = 9100


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    from promlab.exporters.node.collectors import NAMES, collector_class

    kinds = parser.add_subparsers(title="exporters", metavar="EXPORTER", required=True)
    summary = "metrics of this machine: CPU, memory, disks, network, under node_exporter's names"
    node = kinds.add_parser("node", help=summary, description=summary, allow_abbrev=False)
    _web_flags(node.add_argument_group("web"))
    _path_flags(node.add_argument_group("paths"))
    collectors = node.add_argument_group("collectors")
    add_flag(
        collectors, "collector.disable-defaults", False, "switch off all that is not asked for"
    )
    for name in NAMES:
        add_switch(collectors, f"collector.{name}", None, f"the {name} collector (on)")
        for flag, (default, what) in collector_class(name).flags.items():
            add_flag(collectors, f"collector.{name}.{flag}", default, what)


def _web_flags(group: Any) -> None:
    where = f"host:port to listen on (:{PORT}: every address); port 0 takes a free one; repeatable"
    add_flag(group, "web.listen-address", [], where)
    add_flag(group, "web.telemetry-path", "/metrics", "path of the metrics (/metrics)")
    add_flag(group, "web.max-requests", 40, "most scrapes at a time (40); 0: no limit")
    add_flag(group, "web.disable-exporter-metrics", False, "leave out the exporter's own metrics")


def _path_flags(group: Any) -> None:
    add_flag(group, "path.procfs", "/proc", "where the host's /proc is mounted")
    add_flag(group, "path.sysfs", "/sys", "where the host's /sys is mounted")
    add_flag(group, "path.rootfs", "/", "where the host's root file system is mounted")
    add_flag(group, "path.udev.data", "/run/udev/data", "where udev keeps what it knows of devices")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes, or the parent is gone."""
    from promlab import lifeline
    from promlab.exporters.node.exporter import NodeExporter
    from promlab.exporters.node.host import Host

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    lifeline.watch()
    flags = {name: value for name, value in vars(args).items() if value is not None}
    host = Host(
        procfs=flags["path.procfs"].rstrip("/"),
        sysfs=flags["path.sysfs"].rstrip("/"),
        rootfs=flags["path.rootfs"],
        udev=flags["path.udev.data"].rstrip("/"),
        flags=flags,
    )
    exporter = NodeExporter(
        host, enabled(flags), own_metrics=not flags["web.disable-exporter-metrics"]
    )
    _serve(exporter.collect, flags, stopped)
    return 0


def enabled(flags: Mapping[str, Any]) -> list[str]:
    """Names of the collectors that the flags switch on."""
    from promlab.exporters.node.collectors import NAMES

    by_default = not flags["collector.disable-defaults"]
    return [name for name in NAMES if flags.get(f"collector.{name}", by_default)]


def _serve(collect: Collect, flags: Mapping[str, Any], stopped: threading.Event) -> None:
    from promlab.exporters.serving import MetricsServer, parse_address

    path = flags["web.telemetry-path"]
    if not path.startswith("/") or path == "/":
        raise ConfigError(f"{path!r} must be a path like /metrics", field="--web.telemetry-path")
    servers: list[MetricsServer] = []
    try:
        for text in flags.get("web.listen-address", [f":{PORT}"]):
            server = MetricsServer(
                parse_address(text, PORT),
                collect,
                path=path,
                title="Node exporter",
                max_requests=flags["web.max-requests"],
            )
            servers.append(server)
        for server in servers:
            threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
            # For people, and for the program that asked for a free port.
            print(f"listening on {server.url}", file=sys.stderr, flush=True)
        stopped.wait()
    finally:
        for server in servers:
            server.server_close()

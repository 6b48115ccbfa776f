"""`promlab exporter KIND`: programs that turn somebody else's numbers into metrics.

Each kind is a module `command` of its exporter: `SUMMARY`, `PORT`, `FLAGS`, `ARGUMENT` (what stands
behind the flags, if anything) and `make(flags) -> Served`. The flags of `node` are node_exporter's.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from promlab.cli.flags import add_flag, add_switch
from promlab.errors import ConfigError, PromlabError

if TYPE_CHECKING:
    from promlab.exporters.served import Served

logger = logging.getLogger(__name__)

KINDS = {
    "node": "this machine: CPU, memory, disks, network, under node_exporter's names",
    "blackbox": "probes over HTTP, TCP, DNS and ICMP, by modules in a file",
    "haproxy": "statistics of HAProxy, over HTTP or its socket",
    "jupyter": "kernels of a Jupyter Server, users of a JupyterHub",
    "json": "numbers in JSON documents of targets, by modules in a file",
    "sql": "results of SQL queries, of any database that SQLAlchemy speaks to",
    "process": "groups of processes: CPU, memory, I/O, files",
    "from-frame": "a table in a file that changes: Parquet, CSV or JSON",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command; those of a kind are added when it is called for."""
    kinds = parser.add_subparsers(title="exporters", metavar="EXPORTER", required=True, dest="kind")
    wanted = next((argument for argument in sys.argv[1:] if argument in KINDS), "")
    for name, summary in KINDS.items():
        kind = kinds.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if name == wanted or wanted == "":
            _add_flags(kind, _module(name))


def _module(name: str) -> ModuleType:
    return import_module(f"promlab.exporters.{name.replace('-', '_')}.command")


def _add_flags(parser: argparse.ArgumentParser, module: ModuleType) -> None:
    web = parser.add_argument_group("web")
    where = f"host:port to listen on (:{module.PORT}); port 0 takes a free one; repeatable"
    add_flag(web, "web.listen-address", [], where)
    add_flag(web, "web.config.file", "", "file with TLS and passwords")
    add_flag(web, "web.telemetry-path", "/metrics", "path of the metrics (/metrics)")
    add_flag(web, "web.max-requests", 40, "most scrapes at a time (40); 0: no limit")
    own = parser.add_argument_group("exporter")
    for name, (default, what) in module.FLAGS.items():
        if default is None:
            add_switch(own, name, None, what)
        else:
            add_flag(own, name, default, what)
    argument = getattr(module, "ARGUMENT", None)
    if argument:
        parser.add_argument(argument[0], help=argument[1])


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes, or the parent is gone."""
    from promlab import lifeline

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    lifeline.watch()
    flags = {name: value for name, value in vars(args).items() if value is not None}
    module = _module(args.kind)
    served: Served = module.make(flags)
    if served.reload is not None:
        signal.signal(signal.SIGHUP, lambda *_: _reload(served))
    _serve(served, flags, module.PORT, stopped)
    return 0


def _reload(served: Served) -> None:
    assert served.reload is not None
    try:
        served.reload()
    except PromlabError as error:
        logger.error("the configuration stays as it was: %s", error)


def _serve(served: Served, flags: Mapping[str, Any], port: int, stopped: threading.Event) -> None:
    from promlab.exporters.serving import MetricsServer, parse_address

    path = flags["web.telemetry-path"]
    if not path.startswith("/") or path == "/":
        raise ConfigError(f"{path!r} must be a path like /metrics", field="--web.telemetry-path")
    servers: list[MetricsServer] = []
    try:
        for text in flags.get("web.listen-address", [f":{port}"]):
            server = MetricsServer(
                parse_address(text, port),
                served.collect,
                path=path,
                title=served.title,
                max_requests=flags["web.max-requests"],
                routes=served.routes,
                links=served.links,
                web_config=flags["web.config.file"],
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

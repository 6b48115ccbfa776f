"""`promlab lab`: JupyterLab beside a server that watches this machine.

The server runs as long as JupyterLab does. Notebooks find its address in $PROMLAB_URL:
`%%promql` asks it unless the notebook has started a lab of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from promlab import lifeline
from promlab.errors import AddressInUse, ServerError

if TYPE_CHECKING:
    from promlab.lab.session import Lab

DEFAULT_PORT = 9090


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("notebook", nargs="?", default="", help="notebook or folder to open")
    parser.add_argument(
        "--port",
        type=int,
        default=None,
        help=f"port of the server ({DEFAULT_PORT}, or a free one if that is taken)",
    )
    parser.add_argument("--data", help="folder that keeps the data (they end with the lab)")
    parser.add_argument("--no-browser", action="store_true", help="open no browser window")


def run(args: argparse.Namespace) -> int:
    """Start both, wait for JupyterLab's end; returns its exit code."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise ServerError("JupyterLab is not installed: pip install 'promlab[lab]'")
    from promlab.lab.expose import TARGETS_ENV
    from promlab.widgets import vega

    with _start(args.port, args.data) as lab:
        print(f"The lab's server is starting at {lab.url}", file=sys.stderr, flush=True)
        vega.prepare()
        lab.ready()
        print("The lab's server is ready.", file=sys.stderr, flush=True)
        command = lifeline.python("jupyterlab", *([args.notebook] if args.notebook else []))
        if args.no_browser:
            command.append("--no-browser")
        if sys.platform == "linux" and os.geteuid() == 0:
            command.append("--allow-root")
        environment = {**os.environ, "PROMLAB_URL": lab.url}
        if lab.targets_path is not None:
            environment[TARGETS_ENV] = str(lab.targets_path)
        with subprocess.Popen(command, env=environment) as jupyter:
            # Ctrl-C is JupyterLab's to answer; a polite end is passed on to it.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, lambda *_: jupyter.terminate())
            return jupyter.wait()


def _start(port: int | None, data: str | None) -> Lab:
    from promlab.lab.session import start

    try:
        return start(port=DEFAULT_PORT if port is None else port, data=data, quiet=True)
    except AddressInUse:
        if port is not None:
            raise
        return start(data=data, quiet=True)

"""`promlab serve`: the server, with Prometheus's flags."""

from __future__ import annotations

import argparse
import sys

from promlab.server.flags import EXIT_OTHER_MODE, OtherMode, add_flags, settings_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop by SIGTERM, SIGINT, or the end of the parent's lifeline."""
    from promlab import lifeline
    from promlab.server.supervisor import Supervisor
    from promlab.web import log

    try:
        settings = settings_of(vars(args))
    except OtherMode as error:
        print(f"promlab: error: {error}", file=sys.stderr)
        return EXIT_OTHER_MODE
    log.configure(settings.log_level, settings.log_format, "supervisor")
    lifeline.watch()
    return Supervisor(settings).run()

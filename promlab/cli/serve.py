"""`promlab serve`: the server, with Prometheus's flags."""

from __future__ import annotations

import argparse

from promlab.server.flags import add_flags, settings_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop by SIGTERM, SIGINT, or the end of the parent's lifeline."""
    from promlab import lifeline
    from promlab.server.supervisor import Supervisor
    from promlab.web import log

    settings = settings_of(vars(args))
    log.configure(settings.log_level, settings.log_format, "supervisor")
    lifeline.watch()
    return Supervisor(settings).run()

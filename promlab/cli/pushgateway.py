"""`promlab pushgateway`: a gateway that jobs push their metrics to."""

from __future__ import annotations

import argparse

from promlab.cli.flags import add_flag


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    from promlab.pushgateway.settings import FLAGS

    for name, (default, what) in FLAGS.items():
        add_flag(parser, name, default, what)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop by SIGTERM, SIGINT, or the end of the parent's lifeline."""
    import uvloop

    from promlab import lifeline
    from promlab.pushgateway.run import serve
    from promlab.pushgateway.settings import settings_of
    from promlab.web import log

    settings = settings_of(vars(args))
    log.configure(settings.log_level, settings.log_format, "pushgateway")
    lifeline.watch()
    uvloop.run(serve(settings))
    return 0

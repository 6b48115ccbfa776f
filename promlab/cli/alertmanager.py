"""`promlab alertmanager`: run the Alertmanager; `promlab alertmanager check FILE`: check files.

The flags are the real Alertmanager's.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from promlab.errors import ConfigError


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the server, and the subcommand `check`."""
    from promlab.alertmanager.server.flags import add_flags

    add_flags(parser)
    parser.set_defaults(check=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    summary = "check configuration files, and the templates that they name"
    check = commands.add_parser("check", help=summary, description=summary, allow_abbrev=False)
    check.add_argument("check", nargs="+", metavar="FILE", type=Path, help="a configuration file")
    check.add_argument("--enable-feature", action="append", default=[], metavar="NAMES",
                       help="classic-mode or utf8-strict-mode: the syntax of matchers")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the server until it is asked to end, or check files."""
    if args.check:
        return check_files(args.check, args.enable_feature)
    from promlab.alertmanager.server.process import serve

    return serve(args)


def check_files(files: list[Path], features: list[str]) -> int:
    """Say of each file what is in it, or what is wrong with it; 1 if anything is."""
    from promlab.alertmanager.config import load
    from promlab.alertmanager.notify.templates import Templates
    from promlab.alertmanager.server.flags import parse_features

    logging.basicConfig(format="  warning: %(message)s", stream=sys.stdout)
    mode = parse_features(features).mode
    failed = 0
    for file in files:
        try:
            config = load(file, mode)
            templates = Templates(config.templates)
        except ConfigError as error:
            failed += 1
            print(f"Checking '{file}'  FAILED: {error}")
            continue
        print(f"Checking '{file}'  SUCCESS\nFound:")
        print(f" - global config\n - route\n - {len(config.inhibit_rules)} inhibit rules")
        print(f" - {len(config.receivers)} receivers\n - {len(config.templates)} templates")
        for path in templates.files:
            print(f"  {path}  SUCCESS")
    if failed:
        print(f"promlab: error: {failed} of {len(files)} file(s) failed", file=sys.stderr)
    return 1 if failed else 0

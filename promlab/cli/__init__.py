"""The `promlab` command: one module a subcommand.

A subcommand's module has `configure(parser)` and `run(args) -> exit code`. It is imported only
when it is called for, so that `promlab --help` stays quick. A group of subcommands is a package
that lists them in `COMMANDS`. Errors of promlab's own tree, and wrong flags, end a command with
one line on stderr and exit code 1, as those of Prometheus's programs; 2 for a configuration that
a server can't start with. Never a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from keyword import iskeyword
from typing import NoReturn

from promlab import __version__
from promlab.errors import ConfigError, PromlabError

COMMANDS = {
    "serve": "run the server, headless: what `prometheus` is",
    "check": "check configurations, rules, metrics, or a running server",
    "query": "ask a server from the command line",
    "promql": "format and edit PromQL expressions",
    "test": "run tests of queries",
    "push": "push metrics to a server",
    "tsdb": "list, dump, import and check stored samples",
    "debug": "fetch debug information from a server",
    "lab": "open JupyterLab beside a server that watches this machine",
    "exporter": "export metrics of this machine",
    "pushgateway": "let jobs push metrics that end before they could be scraped",
    "alertmanager": "run the Alertmanager, headless, or check its configuration",
    "completion": "print a script with which a shell completes commands and flags",
    "warmup": "compile the kernels now, so that nothing waits for them later",
}


class Parser(argparse.ArgumentParser):
    """What tells of wrong commands and flags; theirs are exit code 1 too."""

    def error(self, message: str) -> NoReturn:
        """End the program."""
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: error: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    _add_commands(parser, "promlab.cli", COMMANDS, arguments)
    if not arguments:  # asked for nothing, told what there is, as promtool does
        parser.print_help()
        return 0
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args) or 0)
    except ConfigError as error:
        print(f"promlab: error: {error}", file=sys.stderr)
        return 2 if arguments[:1] == ["serve"] else 1
    except PromlabError as error:
        print(f"promlab: error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more may be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def whole_parser() -> argparse.ArgumentParser:
    """The parser with every command configured: for completion and documentation."""
    parser = _parser()
    _add_commands(parser, "promlab.cli", COMMANDS, None)
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="promlab", description="Prometheus, whole, in Python.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"promlab, version {__version__}")
    return parser


def _module(name: str) -> str:
    """The module of a command: `import_`, since `import` can't be one's name."""
    return name.replace("-", "_") + "_" * iskeyword(name)


def _add_commands(
    parser: argparse.ArgumentParser,
    package: str,
    summaries: Mapping[str, str],
    arguments: Sequence[str] | None,
) -> None:
    """Subparsers for all names; only the one that is called for is imported and configured.

    All are where `arguments` is None.
    """
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in summaries.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[:1].upper()}{summary[1:]}.",
            allow_abbrev=False,
            prog=f"{parser.prog} {name}",
        )
        if arguments is not None and name not in arguments[:1]:
            continue
        module = import_module(f"{package}.{_module(name)}")
        group = getattr(module, "COMMANDS", None)
        if group is not None:
            _add_commands(command, module.__name__, group, arguments and arguments[1:])
        else:
            module.configure(command)
            command.set_defaults(run=module.run)

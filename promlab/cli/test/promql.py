"""`promlab test promql`: scripts of samples, queries and expected answers."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from promlab.errors import ScriptError


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="scripts to run")
    parser.add_argument("--verbose", "-v", action="store_true", help="print the passing cases too")
    parser.add_argument(
        "--query.max-samples", type=int, default=10_000, metavar="N", dest="max_samples",
        help="samples that a query may load into memory (default: %(default)s)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run them all; 1 if a case fails or a script can't be read."""
    from promlab.promqltest.runner import OPTIONS

    options = replace(OPTIONS, max_samples=args.max_samples)
    passed = failed = broken = 0
    for path in args.files:
        try:
            good, bad = _run(path, options, verbose=args.verbose)
        except ScriptError as error:
            print(error, file=sys.stderr)
            broken += 1
            continue
        passed, failed = passed + good, failed + bad
    unread = f", {broken} scripts that can't be read" if broken else ""
    print(f"{passed} passed, {failed} failed{unread}")
    return 1 if failed or broken else 0


def _run(path: Path, options: Any, *, verbose: bool) -> tuple[int, int]:
    from promlab.promqltest.runner import run_cases

    passed = failed = 0
    for case in run_cases(path, options):
        if case.problem:
            failed += 1
            print(f"{path}:{case.line}: FAILED {case.query}\n    {case.problem}")
        else:
            passed += 1
            if verbose:
                print(f"{path}:{case.line}: ok {case.query}")
    return passed, failed

"""`promlab test rules`: unit tests of rules, in promtool's format."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from promlab.config.config import matching_files
from promlab.config.rules import RuleGroupConfig, load_rule_file
from promlab.errors import ConfigError, PromlabError

if TYPE_CHECKING:
    from promlab.promql.options import EngineOptions
    from promlab.ruletest.run import Outcome

DELAYED = "promql-delayed-name-removal"


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("files", nargs="+", metavar="TEST-FILE", help="files to run")
    parser.add_argument(
        "--run", action="append", default=[], metavar="REGEX", dest="only",
        help="run only test groups whose name matches; repeatable",
    )  # fmt: skip
    parser.add_argument("--junit", metavar="PATH", help="write the results as JUnit's XML, too")
    parser.add_argument("--debug", action="store_true", help="show all samples of each test group")
    parser.add_argument(
        "--diff", action="store_true", help="show differences line by line, in colours"
    )
    parser.add_argument(
        "--ignore-unknown-fields",
        action="store_true",
        help="let fields pass in rule files that a server would refuse",
    )
    parser.add_argument(
        "--enable-feature", action="append", default=[], metavar="NAMES", dest="features",
        help="experimental parts of PromQL to allow, separated by commas; repeatable",
    )  # fmt: skip


@dataclass
class _Suite:
    """What is told of one file."""

    path: str
    outcomes: list[Outcome] = field(default_factory=list)
    error: str = ""


def run(args: argparse.Namespace) -> int:
    """Run all files; 1 if anything in any of them fails."""
    for path in args.files:
        if not Path(path).is_file():
            raise ConfigError("there is no such file", path=path)
    options = _options(args.features)
    suites = [_run(path, args, options) for path in args.files]
    if args.junit:
        _write_junit(suites, Path(args.junit))
    failed = any(suite.error or any(o.problems for o in suite.outcomes) for suite in suites)
    return int(failed)


def _options(given: Sequence[str]) -> EngineOptions:
    from promlab.promql.checks import ALL_FEATURES
    from promlab.promql.options import EngineOptions

    names = frozenset(name for text in given for name in text.split(",") if name)
    for name in sorted(names - ALL_FEATURES - {DELAYED}):
        print(f"  WARNING: Unknown feature passed to --enable-feature: {name}")
    return EngineOptions(
        threads=1, features=names & ALL_FEATURES, delayed_name_removal=DELAYED in names
    )


def _run(path: str, args: argparse.Namespace, options: EngineOptions) -> _Suite:
    from promlab.ruletest.file import load
    from promlab.ruletest.run import run_file

    suite = _Suite(path)
    try:
        file = load(path)
        groups = _groups(file.rule_files, args.ignore_unknown_fields)
        for outcome in run_file(file, groups, options, args.only):
            suite.outcomes.append(outcome)
            if args.debug:
                print(f"DEBUG: Test {outcome.name}, {outcome.took_s:.3f}s\n{outcome.dump}")
    except PromlabError as error:
        suite.error = str(error)
    problems = [suite.error] if suite.error else [p for o in suite.outcomes for p in o.problems]
    if problems:
        shown = [_coloured(problem) if args.diff else problem for problem in problems]
        print("  FAILED:\n" + "\n".join(shown), file=sys.stderr)
    else:
        print("  SUCCESS")
    print()
    return suite


def _groups(patterns: Sequence[str], ignore_unknown: bool) -> list[tuple[str, RuleGroupConfig]]:
    from promlab.promql import parse
    from promlab.templating.prometheus import check

    read = partial(
        load_rule_file, check_expr=parse, check_template=check, ignore_unknown=ignore_unknown
    )
    found: list[tuple[str, RuleGroupConfig]] = []
    for pattern in patterns:
        files = matching_files(pattern)
        if not files:
            print(f"  WARNING: no file match pattern {pattern}", file=sys.stderr)
        found += [(file, group) for file in files for group in read(file)]
    return found


def _coloured(problem: str) -> str:
    """Wanted lines green and found ones red, on a terminal."""
    if not sys.stderr.isatty():
        return problem
    colours = {"exp": "\033[32m", "got": "\033[31m"}
    lines = []
    colour = ""
    for line in problem.splitlines():
        colour = colours.get(line.strip()[:3], colour if line.startswith(" " * 9) else "")
        lines.append(f"{colour}{line}\033[0m" if colour else line)
    return "\n".join(lines)


def _write_junit(suites: Sequence[_Suite], path: Path) -> None:
    root = ElementTree.Element("testsuites")
    for suite in suites:
        failures = sum(len(outcome.problems) for outcome in suite.outcomes)
        node = ElementTree.SubElement(
            root,
            "testsuite",
            name=suite.path,
            tests=str(len(suite.outcomes)),
            failures=str(failures),
            errors=str(int(bool(suite.error))),
            skipped="0",
            timestamp=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()),
        )
        for outcome in suite.outcomes:
            case = ElementTree.SubElement(node, "testcase", name=outcome.name)
            for problem in outcome.problems:
                ElementTree.SubElement(case, "failure").text = problem
        if suite.error:
            case = ElementTree.SubElement(node, "testcase", name="(reading the file)")
            ElementTree.SubElement(case, "error").text = suite.error
    ElementTree.ElementTree(root).write(path, encoding="unicode")

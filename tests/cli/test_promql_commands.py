"""`promlab promql`: expressions formatted and edited as promtool does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from promlab.cli import main

COMMANDS = [
    ("format", "sum(rate(x[5m])) by (a) / on(a) group_left y"),
    ("format", "a" * 60 + " + " + "b" * 60),
    ("label-matchers", "set", "sum(rate(x[5m])) + y{a='1',b='2'}", "a", "3"),
    ("label-matchers", "set", "--type=!~", "x offset 5m", "a", "b|c"),
    ("label-matchers", "delete", "sum(rate(x{a='b',c='d'}[5m:1m]))", "a"),
]


@pytest.mark.peers
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_prints_what_promtool_prints(
    peers: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    theirs = subprocess.run(
        [peers / "promtool", "--experimental", "promql", *command], capture_output=True, text=True
    )
    assert theirs.returncode == 0
    assert main(["promql", *command]) == 0
    ours, wanted = capsys.readouterr().out.split(), theirs.stdout.split()
    assert sorted(ours) == sorted(wanted)


def test_an_expression_that_does_not_parse_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promql", "format", "sum("]) == 1
    assert "1:5: parse error" in capsys.readouterr().err

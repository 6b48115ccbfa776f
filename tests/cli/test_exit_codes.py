"""Exit codes: those of promtool for the same wrong commands, flags and files."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from promlab.cli import main

GOOD = 'groups: [{name: a, rules: [{record: "x:y", expr: "sum(up)"}]}]\n'
EXPERIMENTAL = 'groups: [{name: a, rules: [{record: "x:y", expr: "sort_by_label(up, \\"a\\")"}]}]\n'
TESTS = """rule_files: [experimental.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series: [{series: up, values: "1 1"}]
  promql_expr_test: [{expr: "x:y", eval_time: 1m, exp_samples: [{labels: "x:y", value: 1}]}]
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {
        "good.yml": GOOD,
        "bad.yml": "groups: [{name: a, rules: [{expr: x}]}]\n",
        "experimental.yml": EXPERIMENTAL,
        "tests.yml": TESTS,
        "none.yml": "tests: []\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)


def ours(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as end:
        return int(str(end.code))


@pytest.mark.peers
@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "line",
    [
        "",
        "check config nowhere.yml",
        "check config --syntax-only nowhere.yml",
        "check config",
        "check rules nowhere.yml",
        "check rules good.yml",
        "check rules good.yml bad.yml",
        "check rules --nosuch good.yml",
        "check web-config nowhere.yml",
        "check service-discovery nowhere.yml job",
        "check service-discovery",
        "check nosuch",
        "check",
        "nosuch",
        "--nosuch",
        "test rules",
        "test rules nowhere.yml",
        "test rules none.yml",
        "test rules tests.yml",
        "test rules --enable-feature=promql-experimental-functions tests.yml",
        "test rules --enable-feature=nosuch,promql-delayed-name-removal none.yml",
        "test nosuch",
        "query instant",
        "query instant http://127.0.0.1:1 up",
        "query range http://127.0.0.1:1",
        "query labels http://127.0.0.1:1",
        "tsdb list nowhere",
        "tsdb dump nowhere",
        "tsdb nosuch",
        "push metrics http://127.0.0.1:1 nowhere.prom",
        "debug nosuch",
    ],
)
def test_as_promtool(
    peers: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str
) -> None:
    arguments = line.split()
    theirs = subprocess.run([peers / "promtool", *arguments], capture_output=True, text=True)
    assert ours(arguments) == theirs.returncode
    shown = capsys.readouterr()
    assert bool(shown.err) == (theirs.returncode != 0)
    assert "Traceback" not in shown.err
    if "WARNING" in theirs.stdout:
        warning, found = theirs.stdout.partition("nosuch")[0], shown.out
        assert warning in found


@pytest.mark.peers
@pytest.mark.parametrize("text", [GOOD, "", "groups: []", "groups: [{name: 1, rules: {}}]", "{"])
def test_rules_on_standard_input(
    peers: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    command = [peers / "promtool", "check", "rules"]
    theirs = subprocess.run(command, input=text, capture_output=True, text=True)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["check", "rules"]) == theirs.returncode
    shown = capsys.readouterr()
    assert shown.out == theirs.stdout
    assert ("FAILED" in shown.err) == ("FAILED" in theirs.stderr)


@pytest.mark.peers
@pytest.mark.parametrize("text", ["a_count 1\n", "# HELP a_total x\n# TYPE a_total counter\n"])
def test_cardinalities_of_metrics_without_problems(
    peers: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    command = [peers / "promtool", "check", "metrics", "--extended"]
    theirs = subprocess.run(command, input=text, capture_output=True, text=True)
    given = SimpleNamespace(buffer=io.BytesIO(text.encode()))
    monkeypatch.setattr("sys.stdin", given)
    assert main(["check", "metrics", "--extended"]) == theirs.returncode
    lines = [line.rstrip() for line in theirs.stdout.splitlines()]
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == lines

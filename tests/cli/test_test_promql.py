"""`promlab test promql`: scripts of users."""

from __future__ import annotations

from pathlib import Path

import pytest

from promlab.cli import main

GOOD = """
load 1m
  requests{job="a"} 0+60x10
  requests{job="b"} 0+120x10

eval instant at 10m sum by (job) (rate(requests[5m]))
  {job="a"} 1
  {job="b"} 2

eval range from 0 to 2m step 1m requests{job="a"}
  requests{job="a"} 0 60 120

eval instant at 10m rate(requests)
  expect fail
"""


def test_a_script_that_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "good.test"
    script.write_text(GOOD)
    assert main(["test", "promql", str(script)]) == 0
    assert capsys.readouterr().out == "3 passed, 0 failed\n"
    assert main(["test", "promql", "--verbose", str(script), str(script)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{script}:6: ok sum by (job) (rate(requests[5m]))"
    assert out[-1] == "6 passed, 0 failed"


def test_failures_are_named_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "bad.test"
    script.write_text(
        GOOD.replace('{job="a"} 1\n', '{job="a"} 1.5\n') + "\neval instant at 0 1 +\n"
    )
    assert main(["test", "promql", str(script)]) == 1
    out = capsys.readouterr().out
    assert f"{script}:6: FAILED sum by (job) (rate(requests[5m]))\n" in out
    assert "({'job': 'a'}, {600000: 1.0})" in out
    assert "instead of" in out
    assert f"{script}:16: FAILED 1 +\n    failed: 1:4: parse error" in out
    assert out.endswith("2 passed, 2 failed\n")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("lod 1m\n  x 1", 1, "'lod' is no command: write clear, load or eval"),
        ("\n# a\nload 1m\n  x 1\n  y{a=1} 1", 5, "not labels"),
        ("load 1m\n  x 1 two", 2, "not a value: 'two'"),
        ("load 1q\n  x 1", 1, "1q"),
        ("eval now x", 1, "write `eval instant at 5m QUERY`"),
        ("eval instant at 1m x\n  x bad", 2, "not a value"),
        ("load 1m\n  x@st soon\n  x 1", 2, "not a valid duration string"),
    ],
)
def test_scripts_that_cant_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, line: int, message: str
) -> None:
    script = tmp_path / "broken.test"
    script.write_text(text)
    assert main(["test", "promql", str(script)]) == 1
    streams = capsys.readouterr()
    assert streams.err.startswith(f"{script}:{line}: ")
    assert message in streams.err
    assert streams.out == "0 passed, 0 failed, 1 scripts that can't be read\n"


def test_files_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "promql", str(tmp_path / "none.test")]) == 1
    assert "none.test: can't be read: No such file" in capsys.readouterr().err

"""The conformance scripts, in process. `unsupported.txt` lists the cases that do not pass.

The list is exact: a case on it that passes has to be taken off. After a change, see what
`python -m tests.promql.test_conformance` prints.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.promql.conformance import run_script

HERE = Path(__file__).parent
SCRIPTS = (
    "aggregators",
    "at_modifier",
    "collision",
    "duration_expression",
    "extended_vectors",
    "fill-modifier",
    "functions",
    "histograms",
    "info",
    "limit",
    "literals",
    "name_label_dropping",
    "native_histograms",
    "operators",
    "range_queries",
    "selectors",
    "staleness",
    "start_timestamps",
    "subquery",
    "trig_functions",
    "type_and_unit",
)


def unsupported() -> dict[str, set[int]]:
    """Line numbers of `eval` commands that can't pass yet, by script."""
    found: dict[str, set[int]] = {}
    for line in (HERE / "unsupported.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, lines = line.partition(":")
            found.setdefault(name, set()).update(map(int, lines.split()))
    return found


@pytest.mark.shared
@pytest.mark.parametrize("name", SCRIPTS)
def test_script(shared: Path, name: str) -> None:
    expected = unsupported().get(name, set())
    failed = dict(run_script(shared / "promqltest" / f"{name}.test"))
    lines = {int(case.rpartition(":")[2]): reason for case, reason in failed.items()}
    broken = {line: reason for line, reason in lines.items() if line not in expected}
    assert not broken
    assert not expected - lines.keys(), "these pass now: take them off the list"


@pytest.mark.shared
def test_every_script_is_run(shared: Path) -> None:
    assert {path.stem for path in (shared / "promqltest").glob("*.test")} == set(SCRIPTS)


if __name__ == "__main__":
    folder = Path(os.environ.get("PROMLAB_SHARED", HERE.parents[2] / "shared")) / "promqltest"
    for script in sys.argv[1:] or SCRIPTS:
        for case, reason in run_script(folder / f"{script}.test"):
            print(case, reason[:300])

"""The conformance scripts, in process: every case passes.

`python -m tests.promqltest.test_conformance [script]` prints those that do not.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from promlab.promqltest.runner import run_script

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


@pytest.mark.shared
@pytest.mark.parametrize("name", SCRIPTS)
def test_script(shared: Path, name: str) -> None:
    assert dict(run_script(shared / "promqltest" / f"{name}.test")) == {}


@pytest.mark.shared
def test_every_script_is_run(shared: Path) -> None:
    assert {path.stem for path in (shared / "promqltest").glob("*.test")} == set(SCRIPTS)


if __name__ == "__main__":
    folder = Path(os.environ.get("PROMLAB_SHARED", HERE.parents[2] / "shared")) / "promqltest"
    for script in sys.argv[1:] or SCRIPTS:
        for case, reason in run_script(folder / f"{script}.test"):
            print(case, reason[:300])

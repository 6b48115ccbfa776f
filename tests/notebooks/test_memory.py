"""The limit that all notebooks run under (scripts/check) is one: what is above it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent.parent
# A child that takes 150 MB beside the kernel: servers count too.
GREEDY = """\
import subprocess, sys
taken = "x = bytearray(b'x' * 150_000_000); print('taken', flush=True); input()"
child = subprocess.Popen([sys.executable, "-c", taken], stdin=-1, stdout=-1)
child.stdout.readline()
"""
WAIT = "import time\nfor _ in range({}): time.sleep(0.1)"


def run(
    folder: Path, limit: int, *cells: str, patience_s: int = 240
) -> subprocess.CompletedProcess[str]:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, folder / "greedy.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.notebooks.memory_limit"]
    command += ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={patience_s}"]
    command += [f"--memory-limit={limit}", str(folder / "greedy.ipynb")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ})


@pytest.mark.slow
def test_a_notebook_above_the_limit_is_killed_and_fails(tmp_path: Path) -> None:
    # It would go on for minutes; nbval notices a kernel's death when its patience ends.
    done = run(tmp_path, 150_000_000, GREEDY, WAIT.format(3_000), patience_s=10)
    assert done.returncode == 1, done.stdout
    assert "greedy: kernel and servers took" in done.stdout
    assert "they have 150" in done.stdout


@pytest.mark.slow
def test_one_below_it_is_told_how_much_it_took(tmp_path: Path) -> None:
    done = run(tmp_path, 1_000_000_000, GREEDY, WAIT.format(20), "child.kill(); child.wait()")
    assert done.returncode == 0, done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("greedy"))
    assert 150 < int(line.split()[1]) < 1_000

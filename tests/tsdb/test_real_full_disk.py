"""A full disk, a real one: scraping stops with a clear error and resumes, queries go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "full_disk_server.py"
MOUNT = 'mount -t tmpfs -o size=48m none "$0" || exit 77; exec "$@"'


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system of its own")
def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = ["unshare", "--mount", "sh", "-c", MOUNT, tmp_path, sys.executable, SCRIPT, tmp_path]
    env = {**os.environ, "PYTHONPATH": str(root)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=root)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert "free some space" in found["told"]
    assert found["still"] == found["kept"] == found["again"] == 20_000
    assert "Traceback" not in found["log"]

"""Disks that are full: a clear error, queries go on, and all resumes with new space. And disks
that can't be written at all: a clear error instead of a start.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from write_bodies import Series, compressed, headers, version_1

from tests.server.running import run_to_its_end, running, until

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """24 MB of memory that can be filled."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True)
    except OSError:
        pytest.skip("needs mount")
    if done.returncode:
        pytest.skip("file systems can't be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill_up(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)) == 4096:
            pass


def test_full_disk(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "p.yml").write_text("global: {}\n")
    flags = f"--storage.tsdb.path={small_disk}/data", "--web.enable-remote-write-receiver"
    with running(tmp_path, *flags) as server:

        def write(step: int, n: int) -> tuple[int, str]:
            sent = [
                Series({"__name__": "g", "i": str(i)}, [(step, step + i / 7, 0)]) for i in range(n)
            ]
            answer = server.client.post(
                "/api/v1/write", content=compressed(version_1(sent)), headers=headers()
            )
            return answer.status_code, answer.text

        assert write(1000, 10)[0] == 204
        fill_up(small_disk / "fill")
        refused = [write(2000 + step, 2000) for step in range(20)]
        status, text = refused[-1]
        assert status == 500
        assert "No space left on device" in text
        answer = server.client.get("/api/v1/query", params={"query": "count(g)", "time": "1"})
        assert answer.json()["data"]["result"][0]["value"][1] == "10"
        (small_disk / "fill").unlink()
        until(lambda: write(10_000, 2000)[0] == 204, "an accepted write")
        answer = server.client.get("/api/v1/query", params={"query": "count(g)", "time": "10"})
        assert answer.json()["data"]["result"][0]["value"][1] == "2000"
    log = (tmp_path / "log").read_text()
    assert "Storing samples failed" in log
    assert "Storing samples works again" in log


def test_read_only_disk(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "p.yml").write_text("global: {}\n")
    path = f"--storage.tsdb.path={small_disk}/data"
    with running(tmp_path, path, "--web.enable-remote-write-receiver") as server:
        body = compressed(version_1([Series({"__name__": "g"}, [(1_000, 5.0, 0)])]))
        answer = server.client.post("/api/v1/write", content=body, headers=headers())
        assert answer.status_code == 204
    for data in (small_disk / "data", small_disk / "new"):
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        code, text = run_to_its_end(
            tmp_path, "--web.listen-address=127.0.0.1:0", f"--storage.tsdb.path={data}"
        )
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        assert code == 1
        assert "Read-only file system" in text
        assert str(data) in text
        assert "Traceback" not in text
    with running(tmp_path, path) as server:
        answer = server.client.get("/api/v1/query", params={"query": "g", "time": "1"})
        assert answer.json()["data"]["result"][0]["value"][1] == "5"

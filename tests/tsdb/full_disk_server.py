"""A real server on a disk that fills up: `python full_disk_server.py FOLDER`, FOLDER being small.

Run by test_real_full_disk.py where a small file system can be mounted. Prints what happened.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.patience import until
from tests.server.running import Running, Target, running, write_config

N = 20_000  # so many that the room is soon used that the log has beforehand


class Lively(Target):
    """A target whose values are all others at each scrape: a log of them grows."""

    def said(self) -> str:
        values = np.random.default_rng(self.scrapes).random(N).tolist()
        return "".join(f'm{{i="{i}"}} {v}\n' for i, v in enumerate(values))


def fill(ballast: Path) -> None:
    """Leave no byte free."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def newest(server: Running) -> float:
    return server.value("max(timestamp(m))") or 0.0


def main(folder: Path) -> dict[str, Any]:
    lively = Lively()
    write_config(folder, lively.address)
    log, ballast = folder / "log", folder / "ballast"
    try:
        with running(folder) as server:
            until(lambda: newest(server) > 0, "samples")
            before = newest(server)
            fill(ballast)
            said = "free some space"
            # The log of this process is on the full disk too: the target's page tells it.
            until(lambda: said in targets(server) or _refill(ballast), "a clear error")
            told = targets(server)
            range_ = f"count_over_time(m[1h] @ {before})"
            still = server.value(f"count({range_})")
            assert server.process.poll() is None
            ballast.unlink()
            at = newest(server)
            until(lambda: newest(server) > max(at, before) + 1, "samples again")
            again = server.value("count(m)")
        with running(folder) as server:
            kept = until(lambda: server.value(f"count({range_})"), "what was there before")
        return {"told": told, "still": still, "again": again, "kept": kept, "log": log.read_text()}
    finally:
        lively.close()


def targets(server: Running) -> str:
    return server.client.get("/api/v1/targets").text


def _refill(ballast: Path) -> bool:
    fill(ballast)
    return False


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))

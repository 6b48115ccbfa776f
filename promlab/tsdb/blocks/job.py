"""What a writer leaves to a child process: `python -m promlab.tsdb.blocks.job '{...}'`.

Compaction and its like take memory, and hold the interpreter; a child gives both back. It
prints one line of JSON: the result, or {"error": text} with exit code 1.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from promlab import lifeline
from promlab.errors import PromlabError


def _cut(directory: Path, job: Mapping[str, Any]) -> Any:
    from promlab.tsdb.blocks.deletion import forget_old
    from promlab.tsdb.blocks.head_cut import cut_head

    # Before there are new blocks: what these have is the head's still, until the cut is recorded.
    forget_old(directory)
    metas = cut_head(directory, int(job["before_ms"]), int(job["block_ms"]))
    return [meta.ulid for meta in metas]


def _compact(directory: Path, job: Mapping[str, Any]) -> Any:
    from promlab.tsdb.blocks.compact import compact

    meta = compact(directory, list(job["blocks"]))
    return meta.ulid if meta is not None else None


def _clean(directory: Path, _job: Mapping[str, Any]) -> Any:
    from promlab.tsdb.blocks.compact import clean_tombstones

    return clean_tombstones(directory)


def _snapshot(directory: Path, job: Mapping[str, Any]) -> Any:
    from promlab.tsdb.blocks.compact import snapshot

    snapshot(directory, str(job["name"]), skip_head=bool(job["skip_head"]))


def _delete(directory: Path, job: Mapping[str, Any]) -> Any:
    from promlab.model.matchers import Matcher, MatchType
    from promlab.tsdb.blocks.deletion import delete_series

    selectors = [
        [Matcher(name, MatchType(kind), value) for name, kind, value in matchers]
        for matchers in job["selectors"]
    ]
    return delete_series(directory, selectors, int(job["start_ms"]), int(job["end_ms"]))


def _downsample(directory: Path, job: Mapping[str, Any]) -> Any:
    from promlab.tsdb.blocks.downsample import downsample

    metas = downsample(directory, str(job["block"]), int(job["resolution_ms"]))
    return [meta.ulid for meta in metas]


KINDS: dict[str, Callable[[Path, Mapping[str, Any]], Any]] = {
    "cut": _cut,
    "compact": _compact,
    "clean": _clean,
    "delete": _delete,
    "downsample": _downsample,
    "snapshot": _snapshot,
}


def run(job: Mapping[str, Any]) -> Any:
    """Do it, in this process. Raises StorageError."""
    return KINDS[job["kind"]](Path(job["directory"]), job)


def main(text: str) -> int:
    """Do what the JSON says."""
    lifeline.watch()
    with contextlib.suppress(OSError):
        os.nice(5)  # scrapes and queries first
    try:
        result = run(json.loads(text))
    except (PromlabError, OSError, MemoryError) as error:
        print(json.dumps({"error": str(error) or type(error).__name__}))
        return 1
    print(json.dumps({"result": result}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

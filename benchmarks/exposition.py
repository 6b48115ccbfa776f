"""Cost of reading scrape bodies: `python benchmarks/exposition.py`.

Bodies are those of the simulated fleet in $PROMLAB_SHARED/tools/bench. Prints CPU time a line
of a scrape that changes values only, of a scrape with another layout, and of a target whose
series are all new.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

SHARED = Path(os.environ.get("PROMLAB_SHARED") or Path(__file__).parents[2] / "shared")
sys.path.insert(0, str(SHARED / "tools" / "bench"))


def median_s(work: Callable[[], object], seconds: float = 1.0) -> float:
    """Median CPU time of one call."""
    work()
    times: list[float] = []
    while sum(times) < seconds:
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return sorted(times)[len(times) // 2]


def rotate(bodies: list[bytes], parse: Callable[[bytes], object]) -> Callable[[], object]:
    """Parse the next body at each call."""
    turn = [0]

    def work() -> object:
        turn[0] = (turn[0] + 1) % len(bodies)
        return parse(bodies[turn[0]])

    return work


def report(name: str, lines: int, bodies: list[bytes], parse: Callable[[bytes], object]) -> None:
    """Print what one line costs."""
    seconds = median_s(rotate(bodies, parse))
    print(f"{lines:6} lines, {name:22} {seconds / lines * 1e9:8.1f} ns/line")


def main() -> None:
    import fleet  # type: ignore[import-not-found]  # lives outside the repository

    start = time.process_time()
    from promlab.exposition.body_parser import BodyParser
    from promlab.exposition.formats import Format
    from promlab.model.labels import Symbols

    print(f"load or compile kernels    {time.process_time() - start:8.2f} s")
    for lines in (1_000, 10_000):
        bodies = fleet.render(lines, 20)
        ended = [body + b"# EOF\n" for body in bodies]
        timed = [re.sub(rb"(?m)^([^#].*)$", rb"\1 1795440729762", body) for body in bodies]
        symbols = Symbols()
        report("text", lines, bodies, BodyParser(symbols).parse)
        report("text with timestamps", lines, timed, BodyParser(symbols).parse)
        parser = BodyParser(symbols)
        report("OpenMetrics", lines, ended, lambda b, p=parser: p.parse(b, Format.OPENMETRICS))
        report("another layout", lines, bodies, lambda b, s=symbols: BodyParser(s).parse(b))
    for lines in (100_000, 1_000_000):
        series = (
            b'requests_total{path="/%d",instance="i%d",code="%d",zone="a"} %d\n'
            % (i, i % 1000, i % 7, i)
            for i in range(lines)
        )
        body = b"".join(series)
        start = time.process_time()
        BodyParser(Symbols()).parse(body)
        print(f"{lines:7} new series              {time.process_time() - start:8.2f} s")


if __name__ == "__main__":
    main()

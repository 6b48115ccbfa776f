"""Runs benchmarks by name, or all of them, and prints their tables.

A benchmark is a module of this package with `main()`. Those that compare with the real
Prometheus need the load tools in the folder $PROMLAB_SHARED.
"""

from __future__ import annotations

import importlib
import sys

ALL = (
    "startup",
    "restart",
    "ingest",
    "newcomer",
    "interference",
    "exposition",
    "tsdb",
    "promql",
    "first_queries",
    "selectors",
    "pushgateway",
    "alertmanager",
    "load",
)


def main() -> int:
    names = sys.argv[1:] or ALL
    for unknown in set(names) - set(ALL):
        print(f"no benchmark {unknown!r}; there are: {', '.join(ALL)}", file=sys.stderr)
        return 2
    for name in names:
        print(f"\n## {name}\n", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())

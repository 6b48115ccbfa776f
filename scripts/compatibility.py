"""docs/compatibility.md: what of Prometheus holds here, each row with the tests that show it.

`python -m scripts.compatibility` writes the page. The rows are in `compatibility_rows.py`; a test
fails where the page is not what this prints, or where a row names a test that is not there.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from promlab.config.discovery_sections import MECHANISMS
from promlab.config.mechanisms import AVAILABLE
from scripts.compatibility_rows import HOLDS, MISSING, PARTLY, SECTIONS, Row

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "compatibility.md"

_HEAD = """# Compatibility

What Prometheus 3 does, and whether promlab does it. This page is printed by
`python -m scripts.compatibility`; a test fails when it is stale, or when a test that it names is
gone. *holds*: as in Prometheus, but for what the remark says. *partly*: what the remark says is
missing. *missing*: refused with an error that says so, never ignored.

PromQL is held against Prometheus's own language tests (`tests/promqltest`) and against the real
server (`tests/promql`); storage is described in [format.md](format.md).
"""


def render() -> str:
    """The whole page."""
    rows = [row for found in SECTIONS.values() for row in found]
    counts = {state: sum(row.state == state for row in rows) for state in (HOLDS, PARTLY, MISSING)}
    lines = [_HEAD, ", ".join(f"{n} rows: {state}" for state, n in counts.items()) + ".", ""]
    for title, found in SECTIONS.items():
        lines += [f"## {title}", "", "| what | state | remark | shown by |", "|---|---|---|---|"]
        lines += [_line(row) for row in found]
        if title == "Service discovery":
            lines += ["", *_mechanisms()]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row) -> str:
    shown = "<br>".join(f"`{each.removeprefix('tests/')}`" for each in row.tests)
    cells = (row.what, row.state, row.remark, shown)
    return "| " + " | ".join(cell.replace("\n", " ") for cell in cells) + " |"


def _mechanisms() -> list[str]:
    there = sorted(("static", "file", *(name for name in MECHANISMS if name in AVAILABLE)))
    gone = [name for name in MECHANISMS if name not in AVAILABLE]
    lines = [f"There ({len(there)} of {len(MECHANISMS) + 2}): {', '.join(there)}.", ""]
    lines.append("Who finds the same labels: [discovery.md](reference/discovery.md).")
    if gone:
        lines += ["", f"Known by name and refused: {', '.join(gone)}."]
    return lines


def missing_tests() -> list[str]:
    """Tests that rows name and that are not there."""
    known: dict[str, set[str]] = {}
    gone = []
    for row in (row for found in SECTIONS.values() for row in found):
        for named in row.tests:
            file, _, test = named.partition("::")
            if file not in known:
                known[file] = _tests_of(ROOT / file)
            if test not in known[file]:
                gone.append(named)
    return gone


def _tests_of(path: Path) -> set[str]:
    if not path.exists():
        return set()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}


def main() -> int:
    """Write the page."""
    gone = missing_tests()
    if gone:
        print("not there:", *gone, sep="\n  ", file=sys.stderr)
        return 1
    PAGE.write_text(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())

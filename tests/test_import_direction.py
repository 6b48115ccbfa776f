"""Imports point one way: no room knows the rooms above it.

The table is the one in docs/architecture.md. Only imports that run are counted, wherever
they stand in the file; what stands under TYPE_CHECKING is not.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "promlab"

BOTTOM = {"errors", "jit", "lifeline", "model"}
ALL = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir()}
NOTEBOOK = {"alerts", "magics", "widgets", "lab", "distributed", "cli"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "jit": {"errors", "lifeline"},
    "lifeline": set(),
    "model": {"errors", "jit"},
    "exposition": BOTTOM,
    "config": BOTTOM,
    "tsdb": BOTTOM,
    "promql": BOTTOM,
    "promqltest": BOTTOM | {"promql"},
    "templating": BOTTOM,
    "transport": BOTTOM | {"config"},
    "discovery": BOTTOM | {"config", "transport"},
    "scrape": BOTTOM | {"exposition", "config", "discovery", "transport"},
    "rules": BOTTOM | {"promql", "templating", "config"},
    "ruletest": BOTTOM | {"config", "promql", "promqltest", "rules"},
    "remote": BOTTOM | {"config", "transport"},
    "web": BOTTOM | {"config"},
    "alertmanager": BOTTOM | {"config", "exposition", "templating", "transport", "web"},
    "pushgateway": BOTTOM | {"config", "exposition", "templating", "web", "exporters"},
    "instrument": BOTTOM | {"exporters"},
    "exporters": BOTTOM | {"config", "exposition", "templating", "transport", "web"},
    "server": ALL - NOTEBOOK - {"client", "frames"},
    "client": BOTTOM,
    "frames": BOTTOM | {"promql", "client"},
    "magics": BOTTOM | {"client", "promql", "frames", "widgets", "lab"},
    "widgets": BOTTOM | {"client", "promql"},
    "lab": ALL - {"cli"},
    "stored": BOTTOM | {"tsdb", "promql", "exposition"},
    "distributed": BOTTOM | {"promql", "tsdb"},
    "cli": ALL,
    "alerts": ALL - {"cli"},
    "__init__": ALL,
    "__main__": ALL,
}
HEAVY = {"IPython", "ipywidgets", "anywidget", "altair", "ipykernel"}
WEB = {"starlette", "uvicorn"}
MAY_USE_WEB = {"web", "server", "alertmanager", "pushgateway", "exporters", "lab", "cli"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def imported(path: Path) -> set[str]:
    """Full names of everything that a module imports when it runs."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and is_type_checking(node.test):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            if node.module == "promlab":
                found.update(f"promlab.{name.name}" for name in node.names)
        todo += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_knows_only_the_rooms_below(path: Path) -> None:
    own = room(path)
    allowed = MAY_IMPORT[own] | {own, "__init__"}
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "promlab" and rest:
            other = rest.split(".")[0]
            if other in ALL:
                assert other in allowed, f"{path} imports {name}"
        if own not in ("magics", "widgets", "lab"):
            assert top not in HEAVY, f"{path} imports {name}"
        if own not in MAY_USE_WEB:
            assert top not in WEB, f"{path} imports {name}"


def test_only_the_kernels_compiler_knows_numba() -> None:
    users = {p for p in modules() if {"numba", "llvmlite"} & {n.split(".")[0] for n in imported(p)}}
    assert users == {PACKAGE / "jit" / "build.py", PACKAGE / "jit" / "load.py"}

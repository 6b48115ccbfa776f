"""Each notebook in Korean too: every text translated from the text that is there, code the same."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parent.parent.parent
KOREAN = re.compile(r"[가-힣]")


def load() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("notebooks", str(ROOT / "scripts" / "notebooks"))
    spec = importlib.util.spec_from_loader("notebooks", loader)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    loader.exec_module(made)
    return made


tool = load()
# A notebook is listed here while it has no Korean texts yet.
UNTRANSLATED: set[str] = set()
NAMES = [name for name in tool.names() if name not in UNTRANSLATED]


def test_all_notebooks_are_looked_at() -> None:
    assert {"00-tour", "01-architecture", "02-metric-types", "03-promql"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_missing_or_stale(name: str) -> None:
    assert tool.problems(name) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_built_notebook_is_what_the_sources_give(name: str) -> None:
    built = nbformat.read(ROOT / "notebooks" / "ko" / f"{name}.ipynb", as_version=4)
    english = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    assert built == tool.translated(name), "run scripts/notebooks translate"
    assert [c.cell_type for c in built.cells] == [c.cell_type for c in english.cells]
    for cell, original in zip(built.cells, english.cells, strict=True):
        if cell.cell_type == "code":
            assert cell.source == original.source
        else:
            assert KOREAN.search(cell.source), cell.id
            # What is code in a text is the same code.
            assert code_in(cell) <= code_in(original), cell.id
            assert cell.source != original.source


def code_in(cell: Any) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", cell.source))


def test_a_changed_text_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ko").mkdir()
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell("# One", id="a")]
    nbformat.write(notebook, tmp_path / "n.ipynb")
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    assert "is not translated" in tool.problems("n")[0]
    entry = f"- id: a\n  of: {tool.source_hash('# One')}\n  text: 하나\n"
    (tmp_path / "ko" / "n.yaml").write_text(entry, encoding="utf-8")
    assert tool.problems("n") == []
    assert tool.translated("n").cells[0].source == "하나"
    notebook.cells[0].source = "# Two"
    nbformat.write(notebook, tmp_path / "n.ipynb")
    assert "from another text" in tool.problems("n")[0]
    notebook.cells = []
    nbformat.write(notebook, tmp_path / "n.ipynb")
    assert "no cell a" in tool.problems("n")[0]

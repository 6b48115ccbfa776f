"""Notebooks as they are stored: small cells, plain outputs, the usual kernel, no surprises.

That they run is checked by nbval (scripts/check).
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

FOLDER = Path(__file__).parent.parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SCREEN_LINES = 30
SCREEN_CHARACTERS = 1_500
LINE_CHARACTERS = 110
STORED = {"text/plain", "image/svg+xml"}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(request.param, as_version=4)


def test_there_are_notebooks() -> None:
    assert {"00-tour", "01-architecture", "02-metric-types", "03-promql"} <= {
        path.stem for path in NOTEBOOKS
    }


def test_it_is_valid_and_for_python(notebook: Any) -> None:
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_each_cell_fits_a_screen(notebook: Any) -> None:
    for cell in notebook.cells:
        lines = cell.source.splitlines()
        assert 0 < len(lines) <= SCREEN_LINES, cell.id
        assert len(cell.source) <= SCREEN_CHARACTERS, cell.id
        assert max(map(len, lines)) <= LINE_CHARACTERS, cell.id


def test_it_is_told_not_only_run(notebook: Any) -> None:
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == kinds[-1] == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    # Never two code cells without a word between them, but for a check after a deed.
    assert "code code code" not in " ".join(kinds)


def test_outputs_are_text_and_pictures_only(notebook: Any) -> None:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.output_type in ("stream", "display_data", "execute_result"), cell.id
            assert set(output.get("data", {})) <= STORED, cell.id
            assert output.get("name") != "stderr", cell.id
            assert "/home/" not in str(output), cell.id


def test_code_is_python_and_magics(notebook: Any) -> None:
    transform = TransformerManager().transform_cell
    for cell in notebook.cells:
        if cell.cell_type == "code":
            tree = ast.parse(transform(cell.source), cell.id)
            assert not any(named_sleep(node) for node in ast.walk(tree)) or "while" in cell.source


def named_sleep(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "sleep"


def test_no_address_outside_of_this_machine(notebook: Any) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert "http://" not in cell.source.replace("http://localhost", ""), cell.id
            assert "https://" not in cell.source, cell.id

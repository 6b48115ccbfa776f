"""docs/schema/: JSON schemas of all configuration files, for editors.

`python -m scripts.schemas` writes them; a test fails where one is not what this prints.
"""

from __future__ import annotations

from pathlib import Path

from promlab.cli.check.schema import SCHEMAS, printed

FOLDER = Path(__file__).parent.parent / "docs" / "schema"


def place(name: str) -> Path:
    """Where the schema of this name is."""
    return FOLDER / f"{name}.schema.json"


def main() -> None:
    """Write all."""
    FOLDER.mkdir(exist_ok=True)
    for name in SCHEMAS:
        place(name).write_text(printed(name), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Machines with hardware that few have, each a text file: `path = content`, `path -> target`.

Lines that start with `|` are the content of the path before them, `#` is a remark.
"""

from __future__ import annotations

from pathlib import Path

TREES = Path(__file__).parent.parent / "fixtures" / "hardware"
KINDS = sorted(path.stem for path in TREES.glob("*.tree"))


def plant(kind: str, folder: Path) -> Path:
    """Make the files of a tree in a folder, with /proc and /sys even where they are empty."""
    for name in ("proc", "sys"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    blocks: dict[Path, list[str]] = {}
    path = folder
    for line in (TREES / f"{kind}.tree").read_text().splitlines():
        if line.startswith("|"):
            blocks.setdefault(path, []).append(line[2:])
        elif " -> " in line:
            name, _, target = line.partition(" -> ")
            link = folder / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        elif line and not line.startswith("#"):
            name, _, content = line.partition(" =")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content.removeprefix(' ')}\n" if content else "")
    for path, lines in blocks.items():
        path.write_text("".join(f"{line}\n" for line in lines))
    return folder

"""Binder's files: they parse, stop at the first failure, and install what exists."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
POST_BUILD = ROOT / "binder" / "postBuild"


def test_environment_names_python_and_packages_only() -> None:
    environment = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert python == "python=3.12"
    assert pip == "pip"
    # Folders of the repository are not there yet when Binder reads this file.
    assert not any(str(package).startswith(("-e", ".", "/")) for package in packages["pip"])


@pytest.mark.parametrize("name", ["binder/postBuild", "scripts/check-binder"])
def test_scripts_are_bash_that_stops_at_a_failure(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK)
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    subprocess.run(["bash", "-n", path], check=True)


def test_post_build_fails_when_a_step_fails(tmp_path: Path) -> None:
    """With commands that note what they are asked for; the second one fails."""
    log = tmp_path / "log"
    for command, code in (("python", 0), ("promlab", 3)):
        fake = tmp_path / command
        fake.write_text(f'#!/bin/sh\necho {command} "$@" >> {log}\nexit {code}\n')
        fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["bash", POST_BUILD], env={**os.environ, "PATH": path}, cwd=tmp_path)
    assert done.returncode == 3
    asked = log.read_text().splitlines()
    assert asked[0].startswith("python -m pip install")
    assert asked[0].endswith("--editable .[lab,workshop]")
    assert asked[1:] == ["promlab warmup --portable"]

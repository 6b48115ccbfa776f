"""All commands together: help, completion, and what `--help` loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from promlab.cli import main, whole_parser


def test_every_command_has_help() -> None:
    parser = whole_parser()
    assert "COMMAND" in parser.format_help()


def test_help_loads_no_library() -> None:
    code = (
        "import sys\nfrom promlab.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'polars', 'yaml', 'aiohttp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_complete_commands_and_flags(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "service-discovery" in script
    assert "--storage.tsdb.path" in script
    assert "promlab" in script


def test_bash_takes_the_script() -> None:
    script = subprocess.run(
        [sys.executable, "-m", "promlab", "completion", "bash"], capture_output=True, text=True
    ).stdout
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

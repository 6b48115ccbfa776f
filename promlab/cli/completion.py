"""`promlab completion`: a script with which a shell completes promlab's commands and flags."""

from __future__ import annotations

import argparse
import importlib.util

from promlab.errors import ServerError

_HOW = {
    "bash": 'eval "$(promlab completion bash)"',
    "zsh": "promlab completion zsh >~/.zfunc/_promlab",
    "tcsh": "promlab completion tcsh >~/.promlab.tcsh",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    hints = "; ".join(f"{shell}: {how}" for shell, how in _HOW.items())
    parser.add_argument("shell", choices=sorted(_HOW), help=hints)


def run(args: argparse.Namespace) -> int:
    """Print the script. Raises ServerError without the library that writes it."""
    if importlib.util.find_spec("shtab") is None:
        raise ServerError("completion needs shtab: pip install 'promlab[cli]'")
    import shtab

    from promlab.cli import whole_parser

    print(shtab.complete(whole_parser(), shell=args.shell))
    return 0

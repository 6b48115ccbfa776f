"""Flags in the style of Prometheus: dots in their names, switches with a `--no-` twin."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from promlab.errors import ClientError


def add_switch(group: Any, name: str, default: bool | None, what: str) -> None:
    """`--x` and `--no-x`. The name in the namespace is the flag's own, dots and all."""
    group.add_argument(f"--{name}", action="store_true", default=default, dest=name, help=what)
    group.add_argument(
        f"--no-{name}", action="store_false", default=default, dest=name, help=argparse.SUPPRESS
    )


def add_flag(group: Any, name: str, default: Any, what: str) -> None:
    """A flag whose kind its default tells: a switch, repeatable, a number, a text."""
    if isinstance(default, bool):
        add_switch(group, name, default, what)
        return
    options: dict[str, Any] = {"default": default, "type": type(default)}
    if isinstance(default, list):
        options = {"default": None, "action": "append"}
    group.add_argument(f"--{name}", dest=name, metavar="VALUE", help=what, **options)


def labels_of(pairs: Iterable[str]) -> dict[str, str]:
    """`--label` flags as labels. Raises ClientError."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ClientError(f"--label {pair!r} is not NAME=VALUE")
        found[name] = value
    return found

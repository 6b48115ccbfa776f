"""The lab: a server of one's own in the notebook, and what is taught with it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promlab.lab.gateway import pushgateway

__all__ = ["pushgateway"]


def __getattr__(name: str) -> Any:
    if name == "pushgateway":
        return getattr(import_module("promlab.lab.gateway"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

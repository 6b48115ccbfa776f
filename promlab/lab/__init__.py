"""The lab: a server of one's own in the notebook, and what is taught with it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promlab.lab.alertmanager_process import alertmanager
    from promlab.lab.exercises import Exercise, Exercises, predict
    from promlab.lab.fleet import simulate
    from promlab.lab.gateway import pushgateway
    from promlab.lab.waiting import wait_for

__all__ = [
    "Exercise",
    "Exercises",
    "alertmanager",
    "predict",
    "pushgateway",
    "simulate",
    "wait_for",
]

# No module may be called as what it holds: importing it would hide that.
_HOMES = {
    "Exercise": "promlab.lab.exercises",
    "Exercises": "promlab.lab.exercises",
    "alertmanager": "promlab.lab.alertmanager_process",
    "predict": "promlab.lab.exercises",
    "pushgateway": "promlab.lab.gateway",
    "simulate": "promlab.lab.fleet",
    "wait_for": "promlab.lab.waiting",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

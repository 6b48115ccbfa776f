"""Prometheus, whole, in Python, at home in Jupyter.

Importing the package loads none of its libraries: each public name is fetched from its
module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from promlab import alerts, lab
    from promlab.frames import Source, query, query_range
    from promlab.instrument import NativeHistogram
    from promlab.lab import targets
    from promlab.lab.expose import expose
    from promlab.lab.session import start
    from promlab.magics import load_ipython_extension, unload_ipython_extension
    from promlab.stored.opening import open
    from promlab.stored.scanning import scan

_HOMES = {
    "NativeHistogram": "promlab.instrument",
    "Source": "promlab.frames",
    "expose": "promlab.lab.expose",
    "load_ipython_extension": "promlab.magics",
    "open": "promlab.stored.opening",
    "scan": "promlab.stored.scanning",
    "query": "promlab.frames",
    "query_range": "promlab.frames",
    "start": "promlab.lab.session",
    "unload_ipython_extension": "promlab.magics",
}

# Names that are modules.
_MODULES = {
    "alerts": "promlab.alerts",
    "lab": "promlab.lab",
    "targets": "promlab.lab.targets",
}

__all__ = [
    "NativeHistogram",
    "Source",
    "alerts",
    "expose",
    "lab",
    "load_ipython_extension",
    "open",
    "query",
    "query_range",
    "scan",
    "start",
    "targets",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'promlab' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, *_MODULES])

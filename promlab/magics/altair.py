"""Altair's charts, shown offline. Altair is imported by whoever makes a chart, never by us.

It takes 45 MB: most notebooks draw with `%%promql` alone and need none of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_VERSIONS = (5, 6, 7)  # of Vega-Lite, which are in the names of Altair's modules


def show_offline(shell: Any) -> None:
    """Have the shell ask here for the picture of any Altair chart, once there is one."""
    formatter = shell.display_formatter.mimebundle_formatter
    for version in _VERSIONS:
        formatter.for_type_by_name(f"altair.vegalite.v{version}.api", "TopLevelMixin", _shown)


def show_as_usual(shell: Any) -> None:
    """Take it back."""
    formatter = shell.display_formatter.mimebundle_formatter
    for version in _VERSIONS:
        key = (f"altair.vegalite.v{version}.api", "TopLevelMixin")
        formatter.deferred_printers.pop(key, None)
    for kind in [kind for kind, call in formatter.type_printers.items() if call is _shown]:
        formatter.pop(kind)


def _shown(chart: Any) -> Any:
    """The chart's bundle: with our renderer, unless the reader has chosen another."""
    altair = import_module("altair")
    if altair.renderers.active == "default" and "google.colab" not in sys.modules:
        from promlab.widgets.live_chart import altair_renderer

        altair.renderers.register("promlab", altair_renderer)
        altair.renderers.enable("promlab")
    return chart._repr_mimebundle_()

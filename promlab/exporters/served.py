"""What an exporter hands to its command: families, and what else it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from promlab.exporters.serving import Collect, Route

Flags = Mapping[str, tuple[Any, str]]
"""Default and help of each flag; the default's type is the flag's kind."""


@dataclass(frozen=True, slots=True)
class Served:
    """An exporter, ready to be served."""

    title: str
    collect: Collect
    routes: Mapping[str, Route] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    reload: Callable[[], None] | None = None  # for SIGHUP and POST /-/reload

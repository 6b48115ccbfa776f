"""`Explainer`: a picture that answers when it is dragged.

The page sends what was moved or chosen; `compute` turns that into a scene; the page draws it.
All arithmetic is on this side. A saved notebook keeps the first scene as picture and text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import traitlets
from anywidget import AnyWidget

from promlab.errors import PromlabError
from promlab.widgets.scene import Scene, svg

_STATIC = Path(__file__).parent / "static"

State = Mapping[str, Any]  # the position of each handle, the choice of each control


class Explainer(AnyWidget):  # type: ignore[misc]  # anywidget has no stubs here
    """A scene that follows its handles. `state` is what was moved and chosen so far."""

    _esm = _STATIC / "explainer.js"
    _css = _STATIC / "explainer.css"

    scene = traitlets.Dict().tag(sync=True)
    seen = traitlets.Int(0).tag(sync=True)  # the page's last message that the scene knows

    def __init__(self, compute: Callable[[State], Scene], state: State) -> None:
        self._compute, self.state = compute, dict(state)
        self.current = compute(self.state)
        super().__init__(scene=self.current.plain())
        self.on_msg(self._heard)

    def set(self, **changes: Any) -> Explainer:
        """Move handles and make choices by name, as the page does. Raises PromlabError."""
        for name, value in changes.items():
            self.state[name] = self._allowed(name, value)
        self.current = self._compute(self.state)
        self.scene = self.current.plain()
        return self

    def _allowed(self, name: str, value: Any) -> Any:
        for handle in self.current.handles:
            if handle.name == name:
                if not isinstance(value, int | float) or not math.isfinite(value):
                    raise PromlabError(f"{handle.label}: a number, not {value!r}")
                return min(max(float(value), handle.low), handle.high)
        for control in self.current.controls:
            if control.name == name:
                if value not in control.options:
                    known = ", ".join(control.options)
                    raise PromlabError(f"{control.label}: one of {known}, not {value!r}")
                return value
        raise PromlabError(f"there is no {name!r} to move or choose")

    def _heard(self, _: Any, message: Any, __: Any) -> None:
        """What the page sends is checked as what a caller gives; what is wrong is dropped."""
        if not isinstance(message, dict) or message.get("kind") != "set":
            return
        try:
            self.set(**{str(message.get("name")): message.get("value")})
        except PromlabError:
            pass
        finally:
            number = message.get("number")
            self.seen = number if isinstance(number, int) else self.seen

    def static_bundle(self) -> dict[str, Any]:
        """The scene as it is, for those who have no widgets."""
        return {"text/plain": self.current.text(), "image/svg+xml": svg(self.current)}

    def __repr__(self) -> str:
        return self.current.text()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        found = super()._repr_mimebundle_(**options)
        live = found[0] if isinstance(found, tuple) else found
        return {**(live or {}), **self.static_bundle()}

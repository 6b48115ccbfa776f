"""`QueryCosts`: what queries and lookups cost when they last ran, to tell the cheap ones.

One that nobody has asked before is cheap if all of its shape were of late: those that differ in
the values of labels alone, as the panels of a dashboard do for another instance. What a pattern
selects, or a name in quotes, can be anything: such strings are part of the shape.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque

from promlab.model.bounded import Bounded

CHEAP_S = 0.004  # below this a thread is not worth it
_REMEMBERED = 4096
_SHAPES = 512
_SHAPED_LENGTH = 1000
_ALIKE = 3  # so many have to be known
_OF_LATE = 16
_VALUE = re.compile(r"""(?<=[\w.]=)["'`][^"'`\\]*["'`]|(?<=!=)["'`][^"'`\\]*["'`]""")
_NAME = "__name__"

Key = tuple[object, ...]


class QueryCosts:
    """Seconds of CPU by key; keys are equal for what is asked for again."""

    def __init__(self) -> None:
        self._costs: OrderedDict[Key, float] = OrderedDict()
        self._shapes: Bounded[Key, deque[float]] = Bounded(_SHAPES, lambda _: 1)

    def get(self, key: Key) -> float | None:
        """What it cost; None if it is not known."""
        return self._costs.get(key)

    def was_cheap(self, key: Key) -> bool:
        """Whether it is known to be over soon."""
        return self._costs.get(key, CHEAP_S) < CHEAP_S

    def is_cheap(self, key: Key) -> bool:
        """Whether it is known, or likely, to be over soon."""
        known = self._costs.get(key)
        return known < CHEAP_S if known is not None else self._is_like_cheap_ones(key)

    def _is_like_cheap_ones(self, key: Key) -> bool:
        alike = self._shapes.get(_shape(key))
        return alike is not None and len(alike) >= _ALIKE and max(alike) < CHEAP_S / 2

    def note(self, key: Key, took_s: float) -> None:
        """Remember what it cost."""
        if took_s >= CHEAP_S or key not in self._costs:
            self._note_shape(_shape(key), took_s)
        self._costs[key] = took_s
        if 2 * len(self._costs) > _REMEMBERED:  # else none is forgotten soon
            self._costs.move_to_end(key)
        if len(self._costs) > _REMEMBERED:
            self._costs.popitem(last=False)

    def _note_shape(self, shape: Key, took_s: float) -> None:
        alike = self._shapes.get(shape) or deque[float](maxlen=_OF_LATE)
        alike.append(took_s)
        self._shapes.put(shape, alike)


def _shape(key: Key) -> Key:
    """The key without the values of labels; a long one is alone in its shape."""
    return tuple(_without_values(part) if isinstance(part, str) else part for part in key)


def _without_values(text: str) -> str:
    return _VALUE.sub("", text) if len(text) < _SHAPED_LENGTH and _NAME not in text else text

"""Silences by a label that every alert they mute has: which ones are worth a look.

Nearly always one silence has a label pair to itself, so its id stands there bare: a set for each
of a million would be most of their memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promlab.alertmanager.silence import Silence
from promlab.model.matchers import MatchType


class SilenceIndex:
    """Ids of silences that have not ended."""

    def __init__(self) -> None:
        self._by_label: dict[tuple[str, str], str | set[str]] = {}
        self._others: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._by_label or self._others)

    def add(self, silence: Silence) -> None:
        """Take a silence in."""
        pair = _pair(silence)
        if pair is None:
            self._others.add(silence.id)
            return
        there = self._by_label.setdefault(pair, silence.id)
        if isinstance(there, set):
            there.add(silence.id)
        elif there != silence.id:
            self._by_label[pair] = {there, silence.id}

    def discard(self, silence: Silence) -> None:
        """Forget a silence; it may be unknown."""
        pair = _pair(silence)
        if pair is None:
            self._others.discard(silence.id)
            return
        there = self._by_label.get(pair)
        if isinstance(there, set):
            there.discard(silence.id)
            if not there:
                del self._by_label[pair]
        elif there == silence.id:
            del self._by_label[pair]

    def candidates(self, labels: Mapping[str, str]) -> Iterator[str]:
        """Ids of all that may mute an alert with these labels, each once."""
        yield from self._others
        for pair in labels.items():
            there = self._by_label.get(pair)
            if isinstance(there, str):
                yield there
            elif there is not None:
                yield from there


def _pair(silence: Silence) -> tuple[str, str] | None:
    """A label that every alert it mutes has; the longest value says most."""
    equal = [
        (matcher.name, matcher.value)
        for matcher in silence.matchers
        if matcher.type is MatchType.EQUAL and matcher.value
    ]
    return max(equal, key=lambda pair: len(pair[1]), default=None)

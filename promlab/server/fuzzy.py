"""How well a text matches what somebody typed: two measures from 0 (not at all) to 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Score = Callable[[str, str], float]


def subsequence(term: str, text: str) -> float:
    """Whether all letters of the term come in this order; the closer together, the better."""
    at, first, last = -1, -1, -1
    for letter in term:
        at = text.find(letter, at + 1)
        if at < 0:
            return 0.0
        first = at if first < 0 else first
        last = at
    spread = len(term) / (last - first + 1)
    return 0.5 * spread + 0.5 * len(term) / len(text)


def jaro_winkler(term: str, text: str) -> float:
    """Jaro-Winkler similarity: common letters near each other, a common beginning more."""
    from rapidfuzz.distance import JaroWinkler

    return JaroWinkler.similarity(term, text)


ALGORITHMS: Mapping[str, Score] = {"subsequence": subsequence, "jarowinkler": jaro_winkler}

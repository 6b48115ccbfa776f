"""Label matchers: `=`, `!=`, `=~`, `!~`, with the regular expressions of Prometheus.

Expressions are RE2: linear in time, fully anchored, and the dot matches a newline too.
A matcher judges strings; storage applies it to the distinct values of a label, not to series.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

import msgspec
import re2

from promlab.errors import PromlabError


class MatchType(Enum):
    """The four operators."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


_SPECIAL = frozenset(".+*?()[]{}^$")


class BadRegex(PromlabError):
    """A regular expression that RE2 refuses."""


@lru_cache(maxsize=4096)
def compile_regex(pattern: str) -> Any:
    """An anchored RE2 expression; use its `fullmatch`. Raises BadRegex."""
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "bad expression"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise BadRegex(f"error parsing regexp: {text}") from None


@lru_cache(maxsize=4096)
def alternatives(pattern: str) -> frozenset[str] | None:
    """The only strings that an expression matches, where it lists them (`a|b\\.c`); else None."""
    found, text, characters = [], "", iter(pattern)
    for character in characters:
        if character == "|":
            found.append(text)
            text = ""
            continue
        if character == "\\":
            character = next(characters, "")
            if not character.isascii() or character.isalnum() or character in ("", "_"):
                return None
        elif character in _SPECIAL:
            return None
        text += character
    return frozenset([*found, text])


# Each query looks selections up by their matchers, hence the kept hash.
class Matcher(msgspec.Struct, frozen=True, cache_hash=True):
    """One condition on one label. A series without the label has the value ""."""

    name: str
    type: MatchType
    value: str

    def __post_init__(self) -> None:
        if self.type in (MatchType.REGEX, MatchType.NOT_REGEX):
            compile_regex(self.value)  # refused here, not when it is asked

    def matches(self, text: str) -> bool:
        """Whether a label with this value passes."""
        match self.type:
            case MatchType.EQUAL:
                return text == self.value
            case MatchType.NOT_EQUAL:
                return text != self.value
            case MatchType.REGEX:
                return compile_regex(self.value).fullmatch(text) is not None
            case MatchType.NOT_REGEX:
                return compile_regex(self.value).fullmatch(text) is None

    @property
    def alternatives(self) -> frozenset[str] | None:
        """The values that a regular expression lists, if it does nothing else."""
        is_regex = self.type in (MatchType.REGEX, MatchType.NOT_REGEX)
        return alternatives(self.value) if is_regex else None

    @property
    def matches_empty(self) -> bool:
        """Whether series that lack the label pass."""
        return self.matches("")

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.type.value}"{escaped}"'


def all_match_empty(matchers: Sequence[Matcher]) -> bool:
    """True for a selector that names nothing, which Prometheus refuses."""
    return all(matcher.matches_empty for matcher in matchers)

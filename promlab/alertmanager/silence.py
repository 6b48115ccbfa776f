"""A silence: matchers, a time, and who wanted it why."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from promlab.alertmanager.matcher_syntax import MatcherSyntaxError
from promlab.alertmanager.matchers import Mode, make, sort_key
from promlab.config.kinds import is_label_name
from promlab.errors import PromlabError
from promlab.model.matchers import Matcher, all_match_empty

PENDING, ACTIVE, EXPIRED = "pending", "active", "expired"


class InvalidSilence(PromlabError):
    """A silence that can't be."""


class SilenceNotFound(PromlabError):
    """No silence has this id."""

    def __init__(self, silence_id: str) -> None:
        self.silence_id = silence_id
        super().__init__(f"silence {silence_id} not found")


@dataclass(slots=True)
class Silence:
    """One silence; times in milliseconds. Never changed: a change is a new object."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_ms: int
    ends_ms: int
    updated_ms: int
    created_by: str = ""
    comment: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    def state(self, t_ms: int) -> str:
        """Pending, active or expired."""
        if self.ends_ms <= t_ms:
            return EXPIRED
        return PENDING if self.starts_ms > t_ms else ACTIVE

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether all matchers match."""
        return all(matcher.matches(labels.get(matcher.name, "")) for matcher in self.matchers)

    def check(self, mode: Mode = Mode.FALLBACK) -> None:
        """Refuse what can't be. Raises InvalidSilence."""
        if not self.matchers:
            raise InvalidSilence("invalid silence: at least one matcher required")
        for matcher in self.matchers:
            if not is_label_name(matcher.name, legacy=mode is Mode.CLASSIC):
                raise InvalidSilence(
                    f"invalid silence: invalid label matcher: invalid label name {matcher.name!r}"
                )
        if all_match_empty(self.matchers):
            raise InvalidSilence(
                "invalid silence: at least one matcher must not match the empty string"
            )
        if self.starts_ms > self.ends_ms:
            raise InvalidSilence("invalid silence: end time must not be before start time")

    def same_matchers(self, other: Silence) -> bool:
        """Whether the matchers are the same, in any order."""
        return sorted(self.matchers, key=sort_key) == sorted(other.matchers, key=sort_key)

    def encode(self) -> bytes:
        """As it is stored and sent to peers."""
        return msgspec.json.encode(
            {
                "id": self.id,
                "matchers": [[m.name, m.type.value, m.value] for m in self.matchers],
                "starts_ms": self.starts_ms,
                "ends_ms": self.ends_ms,
                "updated_ms": self.updated_ms,
                "created_by": self.created_by,
                "comment": self.comment,
                "annotations": dict(self.annotations),
            }
        )


class _Stored(msgspec.Struct):
    id: str
    matchers: list[tuple[str, str, str]]
    starts_ms: int
    ends_ms: int
    updated_ms: int
    created_by: str = ""
    comment: str = ""
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


_decoder = msgspec.json.Decoder(_Stored)


def decode(raw: bytes) -> Silence:
    """A silence from what `encode` gave. Raises InvalidSilence."""
    try:
        found = _decoder.decode(raw)
        matchers = parts(found.matchers)
    except (msgspec.DecodeError, UnicodeDecodeError, MatcherSyntaxError, KeyError) as error:
        raise InvalidSilence(f"a stored silence can't be read: {error}") from None
    return Silence(
        found.id,
        matchers,
        found.starts_ms,
        found.ends_ms,
        found.updated_ms,
        sys.intern(found.created_by),
        found.comment,
        found.annotations,
    )


def parts(found: Sequence[Sequence[Any]]) -> tuple[Matcher, ...]:
    """Matchers of (name, operator, value). Raises MatcherSyntaxError."""
    return tuple(make(sys.intern(name), *rest) for name, *rest in found)


def can_change(known: Silence, wanted: Silence, now_ms: int) -> bool:
    """Whether a silence may become another one and keep its id."""
    if not known.same_matchers(wanted):
        return False
    match known.state(now_ms):
        case "active":
            same_start = known.starts_ms // 1000 == wanted.starts_ms // 1000
            return same_start and wanted.ends_ms >= now_ms
        case "pending":
            return wanted.starts_ms >= now_ms
    return False


def ended(silence: Silence, now_ms: int) -> Silence:
    """The silence, over since now."""
    starts_ms = min(silence.starts_ms, now_ms)
    return replace(silence, starts_ms=starts_ms, ends_ms=now_ms, updated_ms=now_ms)


def listing(silences: Iterable[Silence], now_ms: int) -> list[Silence]:
    """Silences as they are listed: active by soonest end, pending by start, expired by end."""

    def place(silence: Silence) -> tuple[int, int]:
        match silence.state(now_ms):
            case "active":
                return 0, silence.ends_ms
            case "pending":
                return 1, silence.starts_ms
        return 2, -silence.ends_ms

    return sorted(silences, key=place)

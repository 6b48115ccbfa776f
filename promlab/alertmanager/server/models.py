"""Bodies of requests, checked as the API's schema says, made into alerts and silences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.matcher_syntax import MatcherSyntaxError
from promlab.alertmanager.matchers import Mode, make
from promlab.alertmanager.server.errors import ApiError, schema_error, syntax_error
from promlab.alertmanager.silence import Silence
from promlab.config.kinds import is_label_name
from promlab.model.matchers import Matcher

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"(\.\d{6})\d+")
_UNSAFE = re.compile(r'[\s<>"{}|\\^`\x00-\x1f]')


class PostableAlert(msgspec.Struct):
    """An alert as it is posted."""

    labels: dict[str, str | None] | None = None
    annotations: dict[str, str | None] | None = None
    startsAt: str | None = None  # noqa: N815  (the API's name)
    endsAt: str | None = None  # noqa: N815
    generatorURL: str | None = None  # noqa: N815


class PostableMatcher(msgspec.Struct):
    """A matcher as it is posted."""

    name: str | None = None
    value: str | None = None
    isRegex: bool | None = None  # noqa: N815
    isEqual: bool | None = None  # noqa: N815


class PostableSilence(msgspec.Struct):
    """A silence as it is posted."""

    id: str = ""
    matchers: list[PostableMatcher] | None = None
    startsAt: str | None = None  # noqa: N815
    endsAt: str | None = None  # noqa: N815
    createdBy: str | None = None  # noqa: N815
    comment: str | None = None
    annotations: dict[str, str] | None = None


_alerts = msgspec.json.Decoder(list[PostableAlert] | None)
_silence = msgspec.json.Decoder(PostableSilence)


def time_ms(text: str, what: str) -> int:
    """Milliseconds of an RFC 3339 time; UTC where it names no zone. Raises ApiError."""
    try:
        found = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
    except ValueError:
        raise syntax_error(
            what, f'parsing time {text!r} as "2006-01-02T15:04:05Z07:00": it is none'
        ) from None
    return (found - _EPOCH) // _MILLISECOND


_MILLISECOND = datetime(1970, 1, 1, 0, 0, 0, 1000) - datetime(1970, 1, 1)


def decode_alerts(body: bytes) -> list[PostableAlert]:
    """The alerts of a body. Raises ApiError."""
    if not body.strip():
        raise schema_error("alerts in body is required", 602)
    try:
        found = _alerts.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise syntax_error("alerts", str(error)) from None
    for i, alert in enumerate(found or ()):
        if alert.labels is None:
            raise schema_error(f"{i}.labels in body is required", 602)
        if alert.generatorURL and not _is_uri(alert.generatorURL):
            shown = msgspec.json.encode(alert.generatorURL).decode()
            raise schema_error(f"{i}.generatorURL in body must be of type uri: {shown}", 601)
    return found or []


def _is_uri(text: str) -> bool:
    if _UNSAFE.search(text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def to_alerts(
    posted: list[PostableAlert], now_ms: int, resolve_timeout_ms: int, mode: Mode
) -> tuple[list[Alert], list[str]]:
    """Alerts that are valid, and what is wrong with the others. Raises ApiError for a time."""
    good, problems = [], []
    for each in posted:
        starts_ms = time_ms(each.startsAt, "alerts") if each.startsAt else 0
        ends_ms = time_ms(each.endsAt, "alerts") if each.endsAt else 0
        timeout = ends_ms <= 0
        if starts_ms <= 0:
            starts_ms = now_ms if timeout else ends_ms
        if timeout:
            ends_ms = now_ms + resolve_timeout_ms
        labels = {name: value for name, value in (each.labels or {}).items() if value}
        annotations = {name: text or "" for name, text in (each.annotations or {}).items()}
        problem = _problem(labels, annotations, starts_ms, ends_ms, mode)
        if problem:
            problems.append(problem)
            continue
        good.append(
            Alert(
                labels,
                annotations,
                starts_ms,
                ends_ms,
                now_ms,
                each.generatorURL or "",
                timeout,
            )
        )
    return good, problems


def _problem(
    labels: Mapping[str, str], annotations: Mapping[str, str], starts_ms: int, ends_ms: int,
    mode: Mode,
) -> str:  # fmt: skip
    if ends_ms < starts_ms:
        return "start time must be before end time"
    if not labels:
        return "at least one label pair required"
    classic = mode is Mode.CLASSIC
    for what, pairs in (("label set", labels), ("annotations", annotations)):
        for name in pairs:
            if not is_label_name(name, legacy=classic):
                return f'invalid {what}: invalid name "{name}"'
    return ""


def decode_silence(body: bytes) -> PostableSilence:
    """The silence of a body. Raises ApiError."""
    if not body.strip():
        raise schema_error("silence in body is required", 602)
    try:
        found = _silence.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise syntax_error("silence", str(error)) from None
    for when in (found.startsAt, found.endsAt):
        if when:
            time_ms(when, "silence")
    for name in ("comment", "createdBy", "endsAt", "matchers", "startsAt"):
        if getattr(found, name) is None:
            raise schema_error(f"{name} in body is required", 602)
    if not found.matchers:
        raise schema_error("matchers in body should have at least 1 items", 612)
    for i, matcher in enumerate(found.matchers):
        for name in ("isRegex", "name", "value"):
            if getattr(matcher, name) is None:
                raise schema_error(f"matchers.{i}.{name} in body is required", 602)
    return found


def to_silence(posted: PostableSilence, now_ms: int) -> Silence:
    """A silence, checked but for what only the store knows. Raises ApiError."""
    starts_ms = time_ms(posted.startsAt or "", "silence")
    ends_ms = time_ms(posted.endsAt or "", "silence")
    matchers = tuple(_matcher(i, each) for i, each in enumerate(posted.matchers or ()))
    if starts_ms >= ends_ms:
        raise ApiError("Failed to create silence: start time must be before end time")
    if ends_ms < now_ms:
        raise ApiError("Failed to create silence: end time can't be in the past")
    return Silence(
        posted.id,
        matchers,
        starts_ms,
        ends_ms,
        now_ms,
        posted.createdBy or "",
        posted.comment or "",
        posted.annotations or {},
    )


def _matcher(i: int, posted: PostableMatcher) -> Matcher:
    is_equal = posted.isEqual is not False
    operator = ("=~" if is_equal else "!~") if posted.isRegex else ("=" if is_equal else "!=")
    try:
        return make(posted.name or "", operator, posted.value or "")
    except MatcherSyntaxError as error:
        raise ApiError(
            f"invalid silence: invalid label matcher {i} in set 0: invalid regular expression "
            f'"{posted.value}": {error}'
        ) from None


def plain_matcher(matcher: Matcher) -> dict[str, Any]:
    """A matcher as the API shows it."""
    operator = matcher.type.value
    return {
        "isEqual": operator[0] == "=",
        "isRegex": operator[1:] == "~",
        "name": matcher.name,
        "value": matcher.value,
    }


def stamp(t_ms: int) -> str:
    """A time as the API shows it, with milliseconds."""
    seconds, ms = divmod(t_ms, 1000)
    shown = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{shown}.{ms:03d}Z"

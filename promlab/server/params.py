"""Parameters of the API: times, durations, limits, selectors, with Prometheus's messages."""

from __future__ import annotations

import re

from promlab.model.durations import parse_duration_ms
from promlab.model.matchers import Matcher, all_match_empty
from promlab.server.envelope import ApiError, bad_parameter
from promlab.server.moments import (
    INT64_MAX,
    NS_OF_MS,
    parse_moment,
    read_number,
    storage_ms,
)
from promlab.web.http import Form

MAX_POINTS = 11_000
_SHORT = 9  # the same of a duration's
_INTEGER = re.compile(r"[+-]?\d+\Z", re.ASCII)
_NO_MATCHER = "match[] must contain at least one non-empty matcher"


def parse_duration_ns(text: str) -> int:
    """ns of a duration like 1h30m, or of a float of seconds. Raises ValueError.

    What is no number is the least of all durations, as in Prometheus.
    """
    if len(text) <= _SHORT and text.isdecimal() and text.isascii():
        return int(text) * 1000 * NS_OF_MS
    seconds = read_number(text)
    unreadable = f'cannot parse "{text}" to a valid duration'
    if seconds is not None:
        nanoseconds = seconds * 1e9
        if abs(nanoseconds) > INT64_MAX + 1:
            raise ValueError(f"{unreadable}. It overflows int64")
        return int(nanoseconds) if abs(nanoseconds) <= INT64_MAX else -INT64_MAX - 1
    try:
        return parse_duration_ms(text) * NS_OF_MS
    except ValueError:
        raise ValueError(unreadable) from None


def time_param(form: Form, name: str, default_ms: int) -> int:
    """A time, in ms, for which something is looked up; may be left out. Raises ApiError."""
    found = moment_param(form, name)
    return default_ms if found is None else storage_ms(found)


def moment_param(form: Form, name: str) -> int | None:
    """A moment, in ns, that may be left out. Raises ApiError."""
    text = form.firsts.get(name, "")
    try:
        return parse_moment(text) if text else None
    except ValueError as error:
        raise bad_parameter(name, f"invalid time value for '{name}': {error}") from None


def required_moment(form: Form, name: str) -> int:
    """A moment, in ns, that may not be left out. Raises ApiError."""
    try:
        return parse_moment(form.firsts.get(name, ""))
    except ValueError as error:
        raise bad_parameter(name, error) from None


def step_param(form: Form, range_ns: int) -> int:
    """The step in ms: 0 for one that is shorter. Raises ApiError."""
    try:
        step_ns = parse_duration_ns(form.firsts.get("step", ""))
    except ValueError as error:
        raise bad_parameter("step", error) from None
    if step_ns <= 0:
        raise bad_parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. "
            "Try a positive integer",
        )
    if range_ns // step_ns > MAX_POINTS:
        raise ApiError(
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. "
            "Try decreasing the query resolution (?step=XX)",
        )
    return step_ns // NS_OF_MS


def limit_param(form: Form, name: str = "limit") -> int:
    """How many to answer at most; 0 for all. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return 0
    if not _INTEGER.match(text):
        raise bad_parameter(name, f'strconv.Atoi: parsing "{text}": invalid syntax')
    limit = int(text)
    if limit > INT64_MAX or limit < -INT64_MAX - 1:
        raise bad_parameter(name, f'strconv.Atoi: parsing "{text}": value out of range')
    if limit < 0:
        raise bad_parameter(name, "limit must be non-negative")
    return limit


def whole_param(form: Form, name: str, default: int, *, least: int = 1) -> int:
    """A whole number of at least `least`. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return default
    if not _INTEGER.match(text) or len(text) > 18:
        raise bad_parameter(name, f'strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < least:
        raise bad_parameter(name, f"must be at least {least}")
    return int(text)


_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


def bool_param(form: Form, name: str, *, default: bool = False) -> bool:
    """A boolean in Go's spellings. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return default
    if text not in _TRUE | _FALSE:
        reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
        raise bad_parameter(name, f"unable to parse boolean: {reason}")
    return text in _TRUE


def choice_param(form: Form, name: str, choices: list[str]) -> str:
    """One of some words; the first where none is given. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return choices[0]
    if text not in choices:
        known = ", ".join(choice for choice in choices if choice)
        raise bad_parameter(name, f'unsupported value "{text}", supported values: {known}')
    return text


def number_param(form: Form, name: str) -> int:
    """The limits of the metadata endpoints: any number; -1 for none. Raises ApiError."""
    text = form.firsts.get(name, "")
    if not text:
        return -1
    if not _INTEGER.match(text) or not -INT64_MAX - 1 <= int(text) <= INT64_MAX:
        raise ApiError("bad_data", f"{name} must be a number")
    return int(text)


def refuse_unreadable(form: Form) -> None:
    """For endpoints that mind what others leave out. Raises ApiError."""
    if form.unreadable:
        raise ApiError("bad_data", f"error parsing form values: {form.unreadable}")


def matcher_sets(
    form: Form, *, required: bool = False, named: bool = True, all_series: bool = False
) -> list[list[Matcher]]:
    """The selectors of `match[]`. Raises ApiError, whose text names the parameter if `named`.

    `all_series` allows selectors that match everything.
    """
    from promlab.server.promql import parse_matchers

    texts = form.get("match[]", [])
    if required and not texts:
        raise ApiError("bad_data", "no match[] parameter provided")
    sets = []
    for text in texts:
        try:
            matchers = parse_matchers(text, "match[]")
            if not all_series and all_match_empty(matchers):
                raise bad_parameter("match[]", _NO_MATCHER)
        except ApiError as error:
            if named:
                raise
            raise error.unnamed("match[]") from None
        sets.append(matchers)
    return sets

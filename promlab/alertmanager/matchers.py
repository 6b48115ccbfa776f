"""Matchers as they are written for an Alertmanager: the UTF-8 syntax and the classic one.

Both read `name=value`, `!=`, `=~`, `!~`. The UTF-8 syntax allows any name, quoted where it
has reserved characters, and is strict; the classic one takes nearly anything for a value.
By default (`Mode.FALLBACK`) a text that only one of them reads is taken as that one reads it,
and where they disagree the classic reading stands, with a warning in the log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from enum import Enum

from promlab.alertmanager.matcher_syntax import MatcherSyntaxError, parse_utf8
from promlab.model.matchers import BadRegex, Matcher, MatchType

logger = logging.getLogger(__name__)

_CLASSIC = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL)
_CLASSIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_TYPES = {kind.value: kind for kind in MatchType}


class Mode(Enum):
    """Which of the two syntaxes count."""

    FALLBACK = "fallback"
    CLASSIC = "classic-mode"
    UTF8 = "utf8-strict-mode"


def is_classic_name(text: str) -> bool:
    """Whether a label's name is one that the classic syntax can write."""
    return _CLASSIC_NAME.fullmatch(text) is not None


def make(name: str, operator: str, value: str) -> Matcher:
    """A matcher of its parts. Raises MatcherSyntaxError for a bad regular expression."""
    try:
        return Matcher(name, _TYPES[operator], value)
    except BadRegex as error:
        raise MatcherSyntaxError(str(error)) from None


def show(matcher: Matcher) -> str:
    """The text of a matcher; a name that is not classic is quoted."""
    if is_classic_name(matcher.name):
        return str(matcher)
    return f'"{_escaped(matcher.name)}"{matcher.type.value}"{_escaped(matcher.value)}"'


def show_all(matchers: Sequence[Matcher]) -> str:
    """The text of several: `{a="b",c=~"d"}`."""
    return "{" + ",".join(map(show, matchers)) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def sort_key(matcher: Matcher) -> tuple[str, str, str]:
    """Order of matchers in a route's key: by name, value, operator."""
    order = {"=": "0", "!=": "1", "=~": "2", "!~": "3"}
    return matcher.name, matcher.value, order[matcher.type.value]


def parse_all(text: str, mode: Mode = Mode.FALLBACK, origin: str = "") -> list[Matcher]:
    """All matchers of a text, with or without braces. Raises MatcherSyntaxError."""
    if mode is Mode.CLASSIC:
        return _classic_all(text)
    if mode is Mode.UTF8:
        return _made(parse_utf8(text))
    return _fallback(text, origin)


def parse_one(text: str, mode: Mode = Mode.FALLBACK, origin: str = "") -> Matcher:
    """The one matcher of a text; braces are refused. Raises MatcherSyntaxError."""
    if mode is Mode.CLASSIC:
        return _classic(text)
    if text.strip().startswith("{") or text.strip().endswith("}"):
        raise MatcherSyntaxError("unexpected open or close brace")
    strict = mode is Mode.UTF8
    found = _made(parse_utf8(text)) if strict else _fallback(text, origin, single=True)
    if not found:
        raise MatcherSyntaxError("no matchers")
    if len(found) > 1:
        raise MatcherSyntaxError("expected 1 matcher, found " + str(len(found)))
    return found[0]


def _made(parts: list[tuple[str, str, str]]) -> list[Matcher]:
    return [make(*part) for part in parts]


def _fallback(text: str, origin: str, *, single: bool = False) -> list[Matcher]:
    strict: list[Matcher] | None = None
    classic: list[Matcher] | None = None
    try:
        strict = _made(parse_utf8(text))
    except MatcherSyntaxError as error:
        reason = error
    try:
        classic = [_classic(text)] if single else _classic_all(text)
    except MatcherSyntaxError:
        if strict is None:
            raise
        return strict
    if strict is None:
        logger.warning(
            "Matcher is read by the classic syntax only: quote its value",
            extra={"facts": {"input": text, "origin": origin, "err": str(reason)}},
        )
    elif strict != classic:
        logger.warning(
            "Matcher is read differently by the classic and the UTF-8 syntax: classic it is",
            extra={"facts": {"input": text, "origin": origin}},
        )
    return classic


def _classic_all(text: str) -> list[Matcher]:
    parts, part, quoted, escaped = [], "", False, False
    for char in text.removeprefix("{").removesuffix("}"):
        if char == "," and not quoted:
            parts.append(part)
            part = ""
            continue
        if char == '"' and not escaped:
            quoted = not quoted
        escaped = char == "\\" and not escaped
        part += char
    if part.strip():
        parts.append(part.strip())
    return [_classic(each) for each in parts]


def _classic(text: str) -> Matcher:
    found = _CLASSIC.fullmatch(text)
    if found is None:
        raise MatcherSyntaxError(f"bad matcher format: {text}")
    name, operator, raw = found.groups()
    return make(name, operator, _classic_value(raw))


def _classic_value(raw: str) -> str:
    quoted = raw.startswith('"')
    text = raw[1:] if quoted else raw
    value, escaped, open_ = [], False, quoted
    for i, char in enumerate(text):
        last = i == len(text) - 1
        if escaped:
            escaped = False
            value.append({"n": "\n", '"': '"', "\\": "\\"}.get(char, "\\" + char))
        elif char == "\\" and not last:
            escaped = True
        elif char == '"':
            if not open_ or not last:
                raise MatcherSyntaxError(f"matcher value contains unescaped double quote: {raw}")
            open_ = False
        else:
            value.append(char)
    if open_:
        raise MatcherSyntaxError(f"matcher value contains unescaped double quote: {raw}")
    return "".join(value)

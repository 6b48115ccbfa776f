"""The text of a cell on its way to a query: `{{name}}`, a trailing `;`, several expressions.

`{{name}}` is never legal in PromQL outside a string, so it stands for a Python variable (or
an attribute, `{{server.url}}`); nothing is evaluated. In quotes a value is escaped as
the quotes need it, after `=` it gets quotes, and elsewhere it is put in as it is.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from promlab.client.tables import number, quoted
from promlab.errors import PromQLSyntaxError
from promlab.model.durations import format_duration_ms

_SLOT = re.compile(r"\{\{\s*([A-Za-z_]\w*(?:\.[A-Za-z]\w*)*)\s*\}\}")
_TOKEN = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`[^`]*`?""", re.DOTALL)
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")


class Text(NamedTuple):
    """A query, and whether its result is to be shown."""

    query: str
    silent: bool


def prepare(text: str, variables: Mapping[str, Any]) -> Text:
    """Expand variables and take off a trailing `;`. Raises PromQLSyntaxError."""
    bare = without_comments(text).rstrip()
    silent = bare.endswith(";")
    query = text
    if silent:
        # Cut from the text itself: comments and positions stay as they were written.
        at = len(bare) - 1
        query = text[:at] + " " + text[at + 1 :]
    return Text(expand(query, variables).strip("\n").rstrip(), silent)


def without_comments(text: str) -> str:
    """The text with each comment replaced by as many spaces."""
    return _TOKEN.sub(
        lambda found: " " * len(found[0]) if found[0].startswith("#") else found[0], text
    )


def expand(text: str, variables: Mapping[str, Any]) -> str:
    """Put the values of variables in for `{{name}}`. Raises PromQLSyntaxError."""
    if "{{" not in text:
        return text
    tokens = [(found.start(), found.end()) for found in _TOKEN.finditer(text)]
    pieces, at = [], 0
    for slot in _SLOT.finditer(text):
        pieces.append(text[at : slot.start()])
        value = _lookup(slot, text, variables)
        inside = next((text[start] for start, end in tokens if start < slot.start() < end), "")
        pieces.append(_written(value, inside, text, slot))
        at = slot.end()
    return "".join([*pieces, text[at:]])


def is_blank(text: str) -> bool:
    """Whether nothing but comments is there."""
    return not without_comments(text).strip()


def second_expression(query: str) -> int | None:
    """Line (1-based) on which a second complete expression begins, if there are several."""
    from promlab.promql import parse

    with contextlib.suppress(PromQLSyntaxError):
        parse(query)
        return None
    lines = query.split("\n")
    bare = without_comments(query).split("\n")
    for i in range(1, len(lines)):
        if not bare[i].strip() or not any(line.strip() for line in bare[:i]):
            continue
        try:
            parse("\n".join(lines[:i]))
            parse("\n".join(lines[i:]))
        except PromQLSyntaxError:
            continue
        return i + 1
    return None


def _lookup(slot: re.Match[str], text: str, variables: Mapping[str, Any]) -> Any:
    first, *attributes = slot[1].split(".")
    try:
        value = variables[first]
        for name in attributes:
            value = getattr(value, name)
    except (KeyError, AttributeError):
        raise PromQLSyntaxError(
            f"no variable {slot[1]!r}",
            query=text,
            start=slot.start(),
            end=slot.end(),
            hint="{{name}} stands for a Python variable: set it in a cell above.",
        ) from None
    return value


def _written(value: Any, inside: str, text: str, slot: re.Match[str]) -> str:
    """The value as it has to be written at this place."""
    before = text[: slot.start()].rstrip()
    is_regex = re.search(r"[=!]~\s*[\"'`]?\s*\Z", text[: slot.start()]) is not None
    plain = _plain(value, is_regex)
    if inside == "#":
        return slot[0]
    if inside == "`" and "`" in plain:
        raise PromQLSyntaxError(
            f"the value of {slot[1]} has a backquote in it",
            query=text, start=slot.start(), end=slot.end(),
            hint="Use double quotes around {{…}}.",
        )  # fmt: skip
    if inside in ('"', "'"):
        escaped = quoted(plain)[1:-1]
        return escaped if inside == '"' else escaped.replace('\\"', '"').replace("'", "\\'")
    if not inside and before.endswith(("=", "~")) and _in_braces(before):
        return quoted(plain)
    return plain


def _plain(value: Any, is_regex: bool) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, timedelta):
        return format_duration_ms(round(value.total_seconds() * 1000))
    if isinstance(value, int | float):
        return number(float(value)) if isinstance(value, float) else str(value)
    if isinstance(value, list | tuple | set | frozenset):
        parts = [str(part) for part in value]
        return (
            "|".join(_META.sub(r"\\\g<0>", part) for part in parts)
            if is_regex
            else (", ".join(parts))
        )
    return str(value)


def _in_braces(before: str) -> bool:
    bare = _TOKEN.sub("", _SLOT.sub("", before))
    return bare.count("{") > bare.count("}")

"""The notation of series in scripts: labels, values with repetitions, strings in quotes.

What can't be read is a ScriptError; the reader of a script adds the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from promlab.errors import ScriptError
from promlab.model.histograms import CUSTOM_SCHEMA
from promlab.model.samples import STALE_NAN
from promlab.promql.parser_literals import number
from promlab.promqltest.histograms import Plain, parse_histogram

Labels = dict[str, str]
Value = float | Plain | None  # None: no sample


@dataclass
class Series:
    """Labels, and a value (or none) at each step."""

    labels: Labels
    values: list[Value]
    starts: list[int | None] = field(default_factory=list)  # offsets from each sample's time, ms


_STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`'


def unquote(text: str) -> str:
    """The text of a string in quotes, escapes resolved."""
    if not re.fullmatch(_STRING, text):
        raise ScriptError(f"{text} is no string in quotes")
    if text.startswith("`"):
        return text[1:-1]
    simple = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}

    def escape(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xuU":
            return chr(int(code[1:], 16))
        return chr(int(code, 8)) if code.isdigit() else simple.get(code, code)

    pattern = r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)"
    return re.sub(pattern, escape, text[1:-1])


_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_PAIR = re.compile(rf"\s*({_STRING}|[a-zA-Z_][\w.]*)\s*(?:=\s*({_STRING}))?\s*(,|\}})")


def read_series(text: str) -> Series:
    """`name{label="value"} 1 2+1x5 _ stale`. Raises ScriptError."""
    labels, rest = read_labels(text)
    kept = {name: value for name, value in labels.items() if value}
    return Series(kept, read_values(rest))


def read_labels(text: str) -> tuple[Labels, str]:
    """Labels of a series, and the text after them."""
    labels: Labels = {}
    name = _NAME.match(text)
    if name:
        labels["__name__"] = name[0]
        text = text[name.end() :]
    text = text.lstrip()
    if not text.startswith("{") or text.startswith("{{"):
        return labels, text
    text = text[1:].lstrip()
    while not text.startswith("}"):
        pair = _PAIR.match(text)
        if pair is None:
            raise ScriptError(f'not labels: {text!r}; write name{{label="value"}}')
        key = unquote(pair[1]) if pair[1][0] in "\"'`" else pair[1]
        if pair[2] is None:
            labels["__name__"] = key
        else:
            labels[key] = unquote(pair[2])
        text = text[pair.end() :].lstrip()
        if pair[3] == "}":
            return labels, text
    return labels, text[1:]


_NUMBER = r"(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][-+]?\d+)?|[iI][nN][fF]|[nN][aA][nN]"
_HISTOGRAM = r"\{\{.*?\}\}"
_TIMES = r"x(?P<times>\d+)"
_TOKEN = re.compile(
    rf"(?:(?P<histogram>{_HISTOGRAM})(?:(?:(?P<change>[+-])(?P<by>{_HISTOGRAM}))?{_TIMES})?"
    rf"|_(?:x(?P<gaps>\d+))?|(?P<stale>stale)"
    rf"|(?P<value>[-+]?(?:{_NUMBER}))(?:(?P<delta>[-+](?:{_NUMBER}))?x(?P<more>\d+))?)(?=\s|$)"
)
_MOST = 10_000_000  # values of one token, so that a slip of the finger does not take all memory


def read_values(text: str) -> list[Value]:
    """Values with their repetitions, None for a gap. Raises ScriptError."""
    values: list[Value] = []
    text = text.strip()
    while text:
        token = _TOKEN.match(text)
        if token is None:
            raise ScriptError(f"not a value: {text!r}; write 5, 0+2x10, _x3, stale or {{{{...}}}}")
        try:
            values += _repeated(token)
        except ValueError as error:
            raise ScriptError(f"not a value: {token[0]!r}: {error}") from None
        text = text[token.end() :].strip()
    return values


def _repeated(token: re.Match[str]) -> list[Value]:
    """`4x3` is 4 and three more, as `4+0x3`; `_x3` is three gaps."""
    repeated = token["times"] or token["gaps"] or token["more"]
    times = int(repeated or 0)
    if times > _MOST:
        raise ScriptError(f"{token[0]!r}: {times} values are more than {_MOST}")
    if token["histogram"]:
        first = parse_histogram(token["histogram"])
        if token["by"] is None:
            return [first] * (times + 1)
        return _growing(first, parse_histogram(token["by"]), token["change"], times)
    if token["stale"]:
        return [STALE_NAN]
    if token["value"] is None:
        return [None] * (times if repeated else 1)
    value, delta = _number(token["value"]), _number(token["delta"] or "0")
    values: list[Value] = []
    for _ in range(times + 1):
        values.append(value)
        value += delta
    return values


def _growing(value: Plain, by: Plain, change: str, times: int) -> list[Value]:
    custom = CUSTOM_SCHEMA in (value.schema, by.schema)
    if by.schema < value.schema or (custom and by.schema != value.schema):
        raise ScriptError(
            f"error combining histograms: cannot merge from schema {by.schema} to {value.schema}"
        )
    values: list[Value] = []
    for _ in range(times + 1):
        values.append(value)
        value = replace(value.plus(by, 1.0 if change == "+" else -1.0), hint=value.hint)
    return values


def _number(text: str) -> float:
    """A number as PromQL reads it, octal and underscores included."""
    value = number(text.lstrip("+-"))
    return -value if text.startswith("-") else value

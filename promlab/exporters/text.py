"""Families from text in the format 0.0.4, as other programs leave it in files or push it.

As strict as the Go library's parser, which is stricter than a scrape: the last line must end
in a line feed without a carriage return, a metric has one TYPE before its samples and one HELP,
escapes are known ones. Not for scrapes: those are read in columns elsewhere.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from promlab.errors import ExpositionError
from promlab.exporters.families import TYPES, Family

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_BLANK = re.compile(r"[ \t]*")
_PLAIN_NAME = re.compile(_NAME)
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_COMMENT = re.compile(r"#[ \t]*(HELP|TYPE)(?:[ \t]+|$)")
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE
)
_STAMP = re.compile(r"[+-]?\d+")
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
_FLOAT_LABELS = {"histogram": "le", "summary": "quantile"}


class Read(NamedTuple):
    """What a text holds; `stamped` is the first line that carries a timestamp, or 0."""

    families: list[Family]
    stamped: int
    stamped_text: str


def parse(text: str, *, allow_timestamps: bool = True) -> list[Family]:
    """Families in the order of the text, no series twice; raises ExpositionError.

    Timestamps are dropped, or refused.
    """
    found = read(text)
    if found.stamped and not allow_timestamps:
        raise ExpositionError(
            "timestamps are not allowed here", line_no=found.stamped, line=found.stamped_text
        )
    for family in found.families:
        seen = set()
        for name, labels, _ in family.samples:
            series = (name, *sorted(labels.items()))
            if series in seen:
                raise ExpositionError(f"a series of {name} comes twice")
            seen.add(series)
    return found.families


def read(text: str, *, utf8: bool = False) -> Read:
    """Families in the order of the text; `utf8` takes quoted names. Raises ExpositionError."""
    if text and not text.endswith("\n"):
        raise ExpositionError("the last line does not end: the file may be half written")
    reader = _Reader(utf8)
    for number, line in enumerate(text.split("\n"), 1):
        try:
            reader.line(number, line.lstrip(" \t"))
        except ValueError as error:
            raise ExpositionError(str(error), line_no=number, line=line) from None
    families = [family for family in reader.families.values() if family.samples]
    return Read(families, reader.stamped, reader.stamped_text)


class _Reader:
    def __init__(self, utf8: bool) -> None:
        self.utf8 = utf8
        self.families: dict[str, Family] = {}
        self.stamped, self.stamped_text = 0, ""
        self._helped: set[str] = set()
        self._typed: set[str] = set()

    def line(self, number: int, line: str) -> None:
        """One line without the blanks before it."""
        if line.startswith("#"):
            self._comment(line)
        elif line:
            name, labels, value, stamped = _sample(line, self.utf8)
            if stamped and not self.stamped:
                self.stamped, self.stamped_text = number, line
            family = self._family_of(name)
            _check(family, name, labels, value)
            family.samples.append((name, labels, value))

    def _comment(self, line: str) -> None:
        found = _COMMENT.match(line)
        if found is None or found.end() == len(line):
            return
        name, at = _metric_name(line, found.end(), self.utf8, "invalid metric name in comment")
        if line[at : at + 1] not in ("", " ", "\t"):
            raise ValueError("invalid metric name in comment")
        rest = line[at:].lstrip(" \t")
        family = self.families.setdefault(name, Family(name, "untyped", ""))
        if found[1] == "HELP":
            if name in self._helped:
                raise ValueError(f"second HELP line for metric {name}")
            self._helped.add(name)
            family.help = _unescape(rest, '"')
        elif rest:
            self._set_type(family, rest)

    def _set_type(self, family: Family, kind: str) -> None:
        if family.name in self._typed or family.samples:
            raise ValueError(f"second TYPE line for metric {family.name}, or TYPE after samples")
        if kind.lower() not in TYPES:
            raise ValueError(f"unknown metric type {kind!r}")
        self._typed.add(family.name)
        family.type = kind.lower()

    def _family_of(self, name: str) -> Family:
        for kind, parts in _PARTS.items():
            for part in parts:
                base = name.removesuffix(part) if name.endswith(part) else None
                family = self.families.get(base) if base else None
                if family is not None and family.type == kind:
                    return family
        return self.families.setdefault(name, Family(name, "untyped", ""))


def _check(family: Family, name: str, labels: dict[str, str], value: float) -> None:
    """What a histogram and a summary ask of their samples."""
    label = _FLOAT_LABELS.get(family.type)
    if label is None:
        return
    if label in labels and not _is_number(labels[label]):
        raise ValueError(f"expected a number as value of the label {label}")
    if family.type == "histogram" and name.endswith(("_bucket", "_count")) and value < 0:
        raise ValueError(f"negative count in the histogram {family.name}")


def _sample(line: str, utf8: bool) -> tuple[str, dict[str, str], float, bool]:
    name, at = "", 0
    if line[0] != "{":
        name, at = _metric_name(line, 0, utf8, "expected a metric name")
        at = _skip(line, at)
    labels: dict[str, str] = {}
    if line[at : at + 1] == "{":
        inside, at = _labels(line, at + 1, labels, utf8, not name)
        name = name or inside
    at = _skip(line, at)
    value, _, stamp = line[at:].replace("\t", " ").partition(" ")
    if not _is_number(value):
        raise ValueError("expected a number")
    stamped = at + len(value) < len(line)
    if stamped and not _STAMP.fullmatch(stamp.lstrip(" ")):
        raise ValueError("expected a timestamp in whole milliseconds, and nothing after it")
    return name, labels, float(value), stamped


def _metric_name(line: str, at: int, utf8: bool, otherwise: str) -> tuple[str, int]:
    quoted = _QUOTED.match(line, at)
    if quoted:
        return _legal(_unescape(quoted[1], '"'), _PLAIN_NAME, utf8), quoted.end()
    found = _PLAIN_NAME.match(line, at)
    if found is None:
        raise ValueError(otherwise)
    return found[0], found.end()


def _labels(
    line: str, at: int, labels: dict[str, str], utf8: bool, nameless: bool
) -> tuple[str, int]:
    """Read labels up to the closing brace; the metric's name, if inside, and where it ends."""
    inside = ""
    while True:
        at = _skip(line, at)
        if line[at : at + 1] == "}":
            break
        name, at, was_quoted = _label_name(line, at)
        at = _skip(line, at)
        if was_quoted and nameless and not inside and line[at : at + 1] in (",", "}"):
            inside = _legal(name, _PLAIN_NAME, utf8)
        else:
            _legal(name, _LABEL_NAME, utf8)
            at = _label_value(line, at, name, labels)
        at = _skip(line, at)
        if line[at : at + 1] == ",":
            at += 1
        elif line[at : at + 1] != "}":
            raise ValueError("expected a comma or a closing brace after a label")
    if nameless and not inside:
        raise ValueError("expected a metric name")
    return inside, at + 1


def _label_name(line: str, at: int) -> tuple[str, int, bool]:
    quoted = _QUOTED.match(line, at)
    if quoted:
        return _unescape(quoted[1], '"'), quoted.end(), True
    found = _LABEL_NAME.match(line, at)
    if found is None:
        raise ValueError('expected labels like name="value", and a closing brace')
    return found[0], found.end(), False


def _legal(name: str, plain: re.Pattern[str], utf8: bool) -> str:
    """A quoted name, if it may be one: of any characters only where these are allowed."""
    if not name or (not utf8 and not plain.fullmatch(name)):
        raise ValueError(f"invalid name {name!r}")
    return name


def _label_value(line: str, at: int, name: str, labels: dict[str, str]) -> int:
    if line[at : at + 1] != "=":
        raise ValueError(f"expected = after the label name {name}")
    found = _QUOTED.match(line, _skip(line, at + 1))
    if found is None:
        raise ValueError(f"expected a value in quotes for the label {name}")
    if name in labels:
        raise ValueError(f"label {name} comes twice")
    labels[name] = _unescape(found[1], '"')
    return found.end()


def _skip(line: str, at: int) -> int:
    found = _BLANK.match(line, at)
    return found.end() if found else at


def _is_number(text: str) -> bool:
    """A float as the format has it: no hexadecimals, no underscores, nothing out of range."""
    if not _NUMBER.fullmatch(text):
        return False
    return "n" in text.lower() or not math.isinf(float(text))


def _unescape(text: str, more: str) -> str:
    """Text with its escapes resolved; `more` is what may be escaped beside \\ and n."""
    if "\\" not in text:
        return text

    def one(found: re.Match[str]) -> str:
        if found[1] == "n":
            return "\n"
        if found[1] and found[1] in "\\" + more:
            return found[1]
        raise ValueError(f"invalid escape sequence {found[0]!r}")

    return _ESCAPE.sub(one, text)

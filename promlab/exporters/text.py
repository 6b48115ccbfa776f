"""Families from text in the format 0.0.4, as other programs leave it in files.

Strict where a mistake could pass unseen: the last line must end, names and label values must
be well-formed, no series may come twice. Not for scrapes: those are read in columns elsewhere.
"""

from __future__ import annotations

import re

from promlab.errors import ExpositionError
from promlab.exporters.families import TYPES, Family

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(,?)')
_SAMPLE_NAME = re.compile(rf"[ \t]*({_NAME})[ \t]*")
_COMMENT = re.compile(rf"#[ \t]*(HELP|TYPE)[ \t]+({_NAME})(?:[ \t]+(.*))?$")
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE
)
_BRACE = re.compile(r"[ \t]*\}")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}
_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


def parse(text: str, *, allow_timestamps: bool = True) -> list[Family]:
    """Families in the order of the text; raises ExpositionError. Timestamps are dropped."""
    if text and not text.endswith("\n"):
        raise ExpositionError("the last line does not end: the file may be half written")
    families: dict[str, Family] = {}
    seen: set[tuple[str, ...]] = set()
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip(" \t\r")
        try:
            if line.startswith("#"):
                _comment(line, families)
            elif line:
                name, labels, value, stamped = _sample(line)
                if stamped and not allow_timestamps:
                    raise ValueError("timestamps are not allowed here")
                series = (name, *(f"{key}\0{text}" for key, text in sorted(labels.items())))
                if series in seen:
                    raise ValueError("this series came before")
                seen.add(series)
                _family_of(name, families).samples.append((name, labels, value))
        except ValueError as error:
            raise ExpositionError(str(error), line_no=number, line=line) from None
    return [family for family in families.values() if family.samples]


def _comment(line: str, families: dict[str, Family]) -> None:
    found = _COMMENT.match(line)
    if found is None:
        return
    keyword, name, rest = found[1], found[2], found[3] or ""
    family = families.setdefault(name, Family(name, "untyped", ""))
    if keyword == "HELP":
        family.help = _unescape(rest)
        return
    kind = rest.strip()
    if kind not in TYPES:
        raise ValueError(f"unknown metric type {kind!r}")
    if family.samples:
        raise ValueError("TYPE comes after samples")
    family.type = kind


def _sample(line: str) -> tuple[str, dict[str, str], float, bool]:
    found = _SAMPLE_NAME.match(line)
    if found is None:
        raise ValueError("expected a metric name")
    labels, at = _labels(line, found.end())
    words = line[at:].split()
    if not 1 <= len(words) <= 2 or not _NUMBER.fullmatch(words[0]):
        raise ValueError("expected a number")
    if len(words) == 2 and not re.fullmatch(r"[+-]?\d+", words[1]):
        raise ValueError("expected a timestamp in milliseconds")
    return found[1], labels, float(words[0]), len(words) == 2


def _labels(line: str, at: int) -> tuple[dict[str, str], int]:
    """Labels that start at a position, and the position after them."""
    labels: dict[str, str] = {}
    if line[at : at + 1] != "{":
        return labels, at
    at, comma = at + 1, ","
    while comma and (found := _LABEL.match(line, at)):
        name, at, comma = found[1], found.end(), found[3]
        if name in labels:
            raise ValueError(f"label {name} comes twice")
        labels[name] = _unescape(found[2])
    end = _BRACE.match(line, at)
    if end is None:
        raise ValueError('expected labels like name="value", and a closing brace')
    return labels, end.end()


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), text)


def _family_of(name: str, families: dict[str, Family]) -> Family:
    for kind, parts in _PARTS.items():
        for part in parts:
            family = families.get(name.removesuffix(part)) if name.endswith(part) else None
            if family is not None and family.type == kind:
                return family
    return families.setdefault(name, Family(name, "untyped", ""))

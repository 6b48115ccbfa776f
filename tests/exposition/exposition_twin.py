"""The exposition formats as regular expressions, line by line: the twin of the kernels.

Slow and plain. It follows docs/reference/exposition.md and shares nothing with the parser.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple


class Refused(Exception):
    """The body breaks its format."""


class Row(NamedTuple):
    labels: dict[str, str]  # as written, empty values left out
    value: float
    t_ms: int | None
    exemplar: tuple[dict[str, str], float, int | None] | None
    type: str  # of the last TYPE line


class Plain(NamedTuple):
    rows: list[Row]
    metadata: dict[str, dict[str, str]]


NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
LABEL = rb"[a-zA-Z_][a-zA-Z0-9_]*+"
NUMBER = (
    rb"(?:[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?"
    rb"|[nN][aA][nN]|[+-]?[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)"
)
LOOSE = rb'"(?:\\[^\n]|[^"\\])*+"'
TIGHT = rb'"(?:\\[^\n]|[^"\\\n])*+"'
B = rb"[ \t]*+"

TEXT_ITEM = re.compile(
    rb"((?:%(l)s|%(s)s))%(b)s=%(b)s(%(s)s)%(b)s,?%(b)s|(%(s)s)%(b)s(?:,|(?=\}))%(b)s"
    % {b"l": LABEL, b"s": LOOSE, b"b": B}
)
OM_ITEM = re.compile(
    rb"((?:%(l)s|%(s)s))=(%(s)s)(?:,|(?=\}))|(%(s)s)(?:,|(?=\}))" % {b"l": LABEL, b"s": TIGHT}
)
TEXT_COMMENT = re.compile(
    rb"#[ \t]++(HELP|TYPE)[ \t]++(?:(%(n)s)|(%(s)s))(?:[^\n]([^\n]*+))?\n"
    % {b"n": NAME, b"s": LOOSE}
)
TEXT_MEANT = re.compile(rb"#[ \t]++(?:HELP|TYPE)[ \t]")
OM_COMMENT = re.compile(
    rb"# (HELP|TYPE|UNIT) (?:(%(n)s)|(%(s)s)) ([^\n]*+)\n" % {b"n": NAME, b"s": LOOSE}
)
TEXT_NUMBER = re.compile(rb"%(b)s(%(n)s)(?:[ \t]++([0-9]++))?%(b)s\n" % {b"n": NUMBER, b"b": B})
OM_NUMBER = re.compile(rb" (%(n)s)(?: (%(n)s))?(?:\n| # (?=\{))" % {b"n": NUMBER})
OM_EXEMPLAR = re.compile(rb" (%(n)s)(?: (%(n)s))?\n" % {b"n": NUMBER})
TYPES = ["counter", "gauge", "histogram", "summary"]
OM_TYPES = [*TYPES, "gaugehistogram", "info", "stateset", "unknown"]


def text(raw: bytes, quotes: bool = True) -> str:
    try:
        decoded = raw.decode()
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None
    out, i = "", 0
    while i < len(decoded):
        pair = decoded[i : i + 2]
        if pair in ("\\\\", "\\n") or (pair == '\\"' and quotes):
            out += "\n" if pair == "\\n" else pair[1]
            i += 2
        else:
            out += decoded[i]
            i += 1
    return out


def number(token: bytes) -> float:
    value = float(token)
    if math.isinf(value) and b"n" not in token.lower():
        raise Refused("out of range")
    return value


def time_ms(token: bytes | None) -> int | None:
    if token is None:
        return None
    seconds = number(token)
    if not math.isfinite(seconds):
        raise Refused("no time")
    return int(max(min(seconds * 1000, 9.2e18), -9.2e18))


def labels(body: bytes, at: int, om: bool, name: str, named: bool) -> tuple[dict[str, str], int]:
    """Labels from behind `{`, and where they end behind `}`."""
    found: dict[str, str] = {}
    item = OM_ITEM if om else TEXT_ITEM
    if not om:
        at += len(re.compile(B).match(body, at)[0])  # type: ignore[index]  # B matches always
    while body[at : at + 1] != b"}":
        match = item.match(body, at)
        if match is None:
            raise Refused("no label")
        at = match.end()
        if match[3] is not None:
            if name or not named or match[3] == b'""':
                raise Refused("a second name, or an empty one")
            name = text(match[3][1:-1])
            continue
        key = text(match[1][1:-1] if match[1].startswith(b'"') else match[1])
        if key == "" or (named and (key in found or key == "__name__")):
            raise Refused("a label twice, or with no name")
        found[key] = text(match[2][1:-1])
    if named:
        if not name:
            raise Refused("no name")
        found = {"__name__": name, **found}
    return found, at + 1


def parse(body: bytes, om: bool) -> Plain:
    """Rows and metadata of a body. Raises Refused."""
    if om:
        if not body:
            return Plain([], {})
        if not re.search(rb"(?:\A|\n)# EOF\n?\Z", body):
            raise Refused("no EOF")
        body = body[: body.rindex(b"# EOF")]
    elif not body.endswith(b"\n"):
        body += b"\n"
    rows: list[Row] = []
    metadata: dict[str, dict[str, str]] = {}
    at, kind = 0, ""
    while at < len(body):
        if not om:
            at += len(re.compile(B).match(body, at)[0])  # type: ignore[index]  # B matches always
            if body[at : at + 1] == b"\n":
                at += 1
                continue
        if body[at : at + 1] == b"#":
            at, kind = comment(body, at, om, kind, metadata)
        else:
            row, at = sample(body, at, om, kind)
            rows.append(row)
    return Plain(rows, metadata)


def comment(
    body: bytes, at: int, om: bool, kind: str, metadata: dict[str, dict[str, str]]
) -> tuple[int, str]:
    match = (OM_COMMENT if om else TEXT_COMMENT).match(body, at)
    if match is None:
        if om or TEXT_MEANT.match(body, at):
            raise Refused("bad comment")
        return body.index(b"\n", at) + 1, kind
    if match[3] == b'""':
        raise Refused("no name")
    name = text(match[2] or match[3][1:-1])
    what, raw = match[1].decode().lower(), match[4] or b""
    value = text(raw, quotes=om) if what == "help" else text(raw.replace(b"\\", b"\\\\"))
    if what == "type":
        if value not in (OM_TYPES if om else [*TYPES, "untyped"]):
            raise Refused("bad type")
        kind = value
    if what == "unit" and value and not name.endswith("_" + value):
        raise Refused("bad unit")
    metadata.setdefault(name, {})[what] = value
    return match.end(), kind


def sample(body: bytes, at: int, om: bool, kind: str) -> tuple[Row, int]:
    match = re.compile(NAME).match(body, at)
    name = match[0].decode() if match else ""
    at += len(name)
    if not name and body[at : at + 1] != b"{":
        raise Refused("no start")
    if not om:
        at += len(re.compile(B).match(body, at)[0])  # type: ignore[index]  # B matches always
    found = {"__name__": name}
    if body[at : at + 1] == b"{":
        found, at = labels(body, at + 1, om, name, named=True)
    match = (OM_NUMBER if om else TEXT_NUMBER).match(body, at)
    if match is None:
        raise Refused("no value")
    at = match.end()
    value = number(match[1])
    if om:
        t_ms = time_ms(match[2])
    else:
        t_ms = None if match[2] is None else int(match[2])
        if t_ms is not None and t_ms >= 1 << 63:
            raise Refused("time out of range")
    exemplar = None
    if om and body[at - 1 : at] != b"\n":
        extra, at = labels(body, at + 1, om, "", named=False)
        match = OM_EXEMPLAR.match(body, at)
        if match is None:
            raise Refused("bad exemplar")
        at = match.end()
        exemplar = (extra, number(match[1]), time_ms(match[2]))
    kept = {key: value for key, value in found.items() if value}
    return Row(kept, value, t_ms, exemplar, kind), at

"""Where a number or a duration of PromQL ends, as Prometheus sees it.

A number takes digits, dots, exponents and underscores as they come; what follows it at once, a
unit or rubbish, decides which kind of token it is. Whether the token has a value is not asked
here: `.5.3` is a number, `1.5h` a duration, and `parser_literals.py` refuses both.
"""

from __future__ import annotations

import re

from promlab.errors import PromQLSyntaxError
from promlab.model.quoting import go_quote

_USUAL = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|([0-9]+(?:ms|[smhdwy])))(?![A-Za-z0-9_.])", re.ASCII)
_HEX = re.compile(r"0[xX]_?")
_PREFIX = {False: re.compile(r"\.?[0-9]?"), True: re.compile(r"\.?[0-9a-fA-F]?")}
# One piece after another; an exponent is looked for before the digits, in hex too.
_PIECE = {
    False: re.compile(r"(?P<e>[eE][+-]?)|[._]|[0-9]+"),
    True: re.compile(r"(?P<e>[eE][+-]?)|[._]|[0-9a-fA-F]+"),
}
_NOT_AFTER = {".": "_.", "_": "._eE", "e": "._eE"}
_UNITS = re.compile(r"[smhdwy]s?(?:[0-9]+[smhdw]s?)*")
_DIGITS = re.compile(r"[0-9]*")
_ALNUM = re.compile(r"[A-Za-z0-9_]")


def number_or_duration(text: str, start: int) -> tuple[str, int]:
    """Kind and end of the token at a digit, or at a dot before one; PromQLSyntaxError if none."""
    usual = _USUAL.match(text, start)
    if usual:
        return ("DURATION" if usual.group(1) else "NUMBER"), usual.end()
    is_number, end = _number(text, start)
    if is_number:
        return "NUMBER", end
    units = _UNITS.match(text, end)
    if units:
        end = units.end()
        digits = _DIGITS.match(text, end)
        after = digits.end() if digits else end
        if after == end and not _ALNUM.match(text, end):
            return "DURATION", end
        end = after if after > end else end + 1
    message = f"bad number or duration syntax: {go_quote(text[start:end])}"
    raise PromQLSyntaxError(message, start=start, end=end)


def _number(text: str, start: int) -> tuple[bool, int]:
    """Whether a number begins here, and how far it was read."""
    base = _HEX.match(text, start)
    end = base.end() if base else start + text.startswith("0", start)
    is_hex = base is not None
    prefix = _PREFIX[is_hex].match(text, end)
    end = prefix.end() if prefix else end
    seen: set[str] = set()
    while piece := _PIECE[is_hex].match(text, end):
        kind = "e" if piece["e"] else piece.group()
        if kind in seen:
            return False, end + 1
        end = piece.end()
        if kind not in _NOT_AFTER:
            continue
        if kind != "_":
            seen.add(kind)
        after = text[end : end + 1]
        if after and after in _NOT_AFTER[kind]:
            return False, end + 1
        if (kind == "." and is_hex) or (kind != "." and not after):
            return False, end
    return not _ALNUM.match(text, end), end

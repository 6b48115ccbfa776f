"""Numbers, durations and strings of PromQL as values, by the rules of Go's syntax.

Functions of values raise ValueError with the text that Prometheus shows.
"""

from __future__ import annotations

import re

from promlab.errors import PromQLSyntaxError
from promlab.model.durations import parse_duration_ms

_INT64 = 2**63
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\])|(['\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})"
    r"|([0-7]{3})|(.{0,9}))",
    re.DOTALL,
)
_SIMPLE = {
    **{"a": "\a", "b": "\b", "f": "\f", "n": "\n"},
    **{"r": "\r", "t": "\t", "v": "\v", "\\": "\\"},
}
_MAX_DIGITS = 40
_OCTAL, _HEX = "01234567", "0123456789abcdefABCDEF"


def number(text: str) -> float:
    """The value of a number: decimal, hex (0x1F), octal (017), with underscores, Inf, NaN."""
    if text[:2] in ("0x", "0X"):
        digits = text[2:].removeprefix("_")
        if re.fullmatch(r"[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*", digits):
            value = int(digits, 16) if len(digits) < _MAX_DIGITS else _INT64
            if value < _INT64:
                return float(value)
        raise _bad_number(text, "invalid syntax")
    if re.fullmatch(r"0[0-7_]{1,40}", text):
        octal = int(text.replace("_", ""), 8)
        if octal < _INT64:
            return float(octal)
    try:
        number = float(text)
    except ValueError:
        raise _bad_number(text, "invalid syntax") from None
    if number in (float("inf"), float("-inf")) and "inf" not in text.lower():
        raise _bad_number(text, "value out of range")
    return number


def _bad_number(text: str, reason: str) -> ValueError:
    return ValueError(f'error parsing number: strconv.ParseFloat: parsing "{text}": {reason}')


def duration_s(text: str) -> float:
    """Seconds of `1h30m`."""
    return parse_duration_ms(text) / 1000


def check_escapes(text: str, start: int) -> None:
    """Raise PromQLSyntaxError at a wrong escape in a string that begins with its quote.

    The string need not be closed.
    """
    if text[0] == "`" or "\\" not in text:
        return
    try:
        for found in _ESCAPE.finditer(text):
            _escaped(found, text[0])
    except ValueError as error:
        raise PromQLSyntaxError(str(error), start=start, end=start + len(text)) from None


def string(text: str) -> str:
    """The value of a string with its quotes; backticks keep everything as it is."""
    # Labels are text: bytes that are no UTF-8 become U+FFFD.
    return string_bytes(text).decode(errors="replace")


def is_text(text: str) -> bool:
    """Whether a string with its quotes has no escapes that spell bytes that are no UTF-8."""
    try:
        string_bytes(text).decode()
    except UnicodeDecodeError:
        return False
    return True


def string_bytes(text: str) -> bytes:
    """What a string with its quotes spells."""
    quote, inner = text[0], text[1:-1]
    if quote == "`" or "\\" not in inner:
        return inner.encode()
    out = bytearray()
    position = 0
    for found in _ESCAPE.finditer(inner):
        out += inner[position : found.start()].encode()
        out += _escaped(found, quote)
        position = found.end()
    out += inner[position:].encode()
    return bytes(out)


def _escaped(found: re.Match[str], quote: str) -> bytes:
    simple, quoted, byte, short, long, octal, other = found.groups()
    if simple:
        return _SIMPLE[simple].encode()
    if quoted:
        if quoted != quote:
            raise _bad_escape(quoted)
        return quoted.encode()
    if byte:
        return bytes([int(byte, 16)])
    if octal:
        if int(octal, 8) > 255:
            raise ValueError("escape sequence is an invalid Unicode code point")
        return bytes([int(octal, 8)])
    if short or long:
        code = int(short or long, 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise ValueError("escape sequence is an invalid Unicode code point")
        return chr(code).encode()
    raise _bad_escape(other)


def _bad_escape(tail: str) -> ValueError:
    """What is wrong behind a backslash that begins no escape."""
    if not tail:
        return ValueError("escape sequence not terminated")
    if tail[0] not in _OCTAL + "xuU":
        return ValueError(f"unknown escape sequence {_code_point(tail[0])}")
    rest = tail.lstrip(_OCTAL) if tail[0] in _OCTAL else tail[1:].lstrip(_HEX)
    if not rest:
        return ValueError("escape sequence not terminated")
    return ValueError(f"illegal character {_code_point(rest[0])} in escape sequence")


def _code_point(char: str) -> str:
    """A character as Go's %#U prints it: `U+0071 'q'`."""
    return f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")

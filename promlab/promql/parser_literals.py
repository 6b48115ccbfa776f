"""Numbers, durations and strings of PromQL as values, by the rules of Go's syntax.

All functions raise ValueError with the text that Prometheus shows.
"""

from __future__ import annotations

import re

from promlab.model.durations import parse_duration_ms

_INT64 = 2**63
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\])|(['\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})"
    r"|([0-7]{3})|(.?))",
    re.DOTALL,
)
_SIMPLE = {
    **{"a": "\a", "b": "\b", "f": "\f", "n": "\n"},
    **{"r": "\r", "t": "\t", "v": "\v", "\\": "\\"},
}
_MAX_DIGITS = 40


def number(text: str) -> float:
    """The value of a number: decimal, hex (0x1F), octal (017), with underscores, Inf, NaN."""
    if text[:2] in ("0x", "0X"):
        digits = text[2:].removeprefix("_")
        if digits and not digits.endswith("_") and "__" not in digits:
            value = int(digits, 16) if len(digits) < _MAX_DIGITS else _INT64
            if value < _INT64:
                return float(value)
        raise _bad_number(text, "invalid syntax")
    if re.fullmatch(r"0[0-7_]{1,40}", text):
        octal = int(text.replace("_", ""), 8)
        if octal < _INT64:
            return float(octal)
    number = float(text)
    if number in (float("inf"), float("-inf")) and "inf" not in text.lower():
        raise _bad_number(text, "value out of range")
    return number


def _bad_number(text: str, reason: str) -> ValueError:
    return ValueError(f'error parsing number: strconv.ParseFloat: parsing "{text}": {reason}')


def duration_s(text: str) -> float:
    """Seconds of `1h30m`."""
    if max(map(len, re.findall(r"\d+", text))) > _MAX_DIGITS:
        raise ValueError("duration out of range")
    return parse_duration_ms(text) / 1000


def string(text: str) -> str:
    """The value of a string with its quotes; backticks keep everything as it is."""
    quote, inner = text[0], text[1:-1]
    if quote == "`" or "\\" not in inner:
        return inner
    out = bytearray()
    position = 0
    for found in _ESCAPE.finditer(inner):
        out += inner[position : found.start()].encode()
        out += _escaped(found, quote)
        position = found.end()
    out += inner[position:].encode()
    # Escapes may spell bytes that are no UTF-8; labels are text, so these become U+FFFD.
    return out.decode(errors="replace")


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


def _bad_escape(char: str) -> ValueError:
    if not char:
        return ValueError("escape sequence not terminated")
    if char in "xuU01234567":
        return ValueError("illegal character in escape sequence")
    shown = f" '{char}'" if char.isprintable() else ""
    return ValueError(f"unknown escape sequence U+{ord(char):04X}{shown}")

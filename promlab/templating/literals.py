"""Literals of the template language: Go's numbers, runes and strings as Python values."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.?))",
    re.DOTALL,
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MISPLACED = re.compile(r"^_|__|_$")


def number(text: str) -> int | float:
    """The value of a number; int where Go takes it for one. Raises ValueError."""
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    digits = digits.lower()
    if _MISPLACED.search(digits):
        raise ValueError(text)
    plain = digits.replace("_", "")
    if plain.startswith("0x") and not set(plain) & set(".p"):
        return _bounded(sign * int(plain, 16))
    if plain.startswith(("0o", "0b")):
        return _bounded(sign * int(plain, 0))
    if plain.startswith("0x"):
        if "p" not in plain:
            raise ValueError(text)
        return sign * float.fromhex(plain)
    if set(plain) & set(".e"):
        value = float(plain)
        if value == float("inf"):
            raise ValueError(text)
        return sign * value
    if len(plain) > 30:
        raise ValueError(text)
    octal = len(plain) > 1 and plain[0] == "0"
    return _bounded(sign * int(plain, 8 if octal else 10))


def _bounded(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise OverflowError(value)
    return value


def unquote(source: str) -> str:
    """The text of a quoted or raw string. Raises ValueError."""
    if source[0] == "`":
        return source[1:-1].replace("\r", "")
    inside = source[1:-1]
    if "\\" not in inside:
        return inside
    # \x and octal escapes are bytes; the others are characters.
    raw = bytearray()
    at = 0
    for found in _ESCAPE.finditer(inside):
        raw += inside[at : found.start()].encode()
        raw += _escaped(found, source[0])
        at = found.end()
    raw += inside[at:].encode()
    return raw.decode(errors="replace")


def _escaped(found: re.Match[str], quote: str) -> bytes:
    simple, byte, short, long, octal, bad = found.groups()
    if bad is not None or (simple in ("'", '"') and simple != quote):
        raise ValueError("invalid syntax")
    if simple is not None:
        return _SIMPLE.get(simple, simple).encode()
    if byte is not None or octal is not None:
        value = int(byte, 16) if byte is not None else int(octal, 8)
        if value > 255:
            raise ValueError("invalid syntax")
        return bytes([value])
    point = int(short or long, 16)
    if point > 0x10FFFF or 0xD800 <= point < 0xE000:
        raise ValueError("invalid syntax")
    return chr(point).encode()


def rune(source: str) -> int:
    """The code point of a character constant. Raises ValueError."""
    byte = re.fullmatch(r"'\\(?:x([0-9a-fA-F]{2})|([0-7]{3}))'", source)
    if byte is not None:
        return int(byte[1], 16) if byte[1] else int(byte[2], 8)
    text = unquote(source)
    if len(text) != 1:
        raise ValueError("malformed character constant")
    return ord(text)

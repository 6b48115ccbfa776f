"""Helpers of the exposition kernels: numbers and quoted strings.

They are compiled into `scan_kernels`, and rely on a body whose last
byte is a newline: whatever reads forward stops there, so only strings check bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel

TAB, NEWLINE, SPACE, QUOTE, HASH = 9, 10, 32, 34, 35
PLUS, COMMA, MINUS, DOT, COLON, EQUAL = 43, 44, 45, 46, 58, 61
BACKSLASH, UNDERSCORE, OPEN, CLOSE = 92, 95, 123, 125

EXACT, SLOW, BAD = 0, 1, -1  # what became of a number
UNTERMINATED, NOT_UTF8 = -1, -2  # instead of where a string ends

POWERS_OF_TEN = np.array([10.0**power for power in range(23)])
EXACT_INTEGER = np.uint64(1 << 53)
_TEN: Any = np.uint64(10)


@kernel()
def _read_word(body: Any, i: int, signed: bool) -> tuple[float, int, int]:
    """`nan` (without a sign), `inf` or `infinity` in any case."""
    if signed == 0 and body[i] | 32 == 110 and body[i + 1] | 32 == 97 and body[i + 2] | 32 == 110:
        return np.nan, i + 3, EXACT
    if body[i] | 32 == 105 and body[i + 1] | 32 == 110 and body[i + 2] | 32 == 102:
        end = i + 3
        for letter in (105, 110, 105, 116, 121):
            if body[end] | 32 != letter:
                break
            end += 1
        return np.inf, end if end == i + 8 else i + 3, EXACT
    return 0.0, i, BAD


@kernel()
def read_number(body: Any, i: int) -> tuple[float, int, int]:
    """Value of the number at `i`, where it ends, and EXACT, SLOW or BAD.

    EXACT is correctly rounded: at most 2^53 with a power of ten that is a float itself
    (W. Clinger, "How to read floating point numbers accurately"). SLOW follows the syntax
    but needs Python's float(). What stands behind the number is for the caller to judge.
    """
    signed = body[i] == MINUS or body[i] == PLUS
    sign = -1.0 if body[i] == MINUS else 1.0
    if signed:
        i += 1
    if body[i] > COLON:
        value, end, status = _read_word(body, i, signed)
        return sign * value, end, status
    mantissa = np.uint64(0)
    power: Any = np.int64(0)
    start = i
    while np.uint8(body[i] - 48) <= 9:
        mantissa = mantissa * _TEN + np.uint64(body[i] - 48)
        i += 1
    digits = i - start
    if body[i] == DOT:
        i += 1
        start = i
        while np.uint8(body[i] - 48) <= 9:
            mantissa = mantissa * _TEN + np.uint64(body[i] - 48)
            i += 1
        power = start - i
        digits -= power
    if digits == 0:
        return 0.0, i, BAD
    if body[i] | 32 == 101:
        i += 1
        direction = -1 if body[i] == MINUS else 1
        if body[i] == MINUS or body[i] == PLUS:
            i += 1
        exponent: Any = np.int64(0)
        start = i
        while np.uint8(body[i] - 48) <= 9:
            exponent = min(exponent * 10 + np.int64(body[i] - 48), 1 << 40)
            i += 1
        if i == start:
            return 0.0, i, BAD
        power += direction * exponent
    if digits > 19:
        return 0.0, i, SLOW
    while mantissa > EXACT_INTEGER and mantissa % _TEN == 0:
        mantissa //= _TEN
        power += 1
    if mantissa == 0:
        return sign * 0.0, i, EXACT
    if mantissa > EXACT_INTEGER or power > 22 or power < -22:
        return 0.0, i, SLOW
    if power < 0:
        return sign * (np.float64(mantissa) / POWERS_OF_TEN[-power]), i, EXACT
    return sign * (np.float64(mantissa) * POWERS_OF_TEN[power]), i, EXACT


@kernel()
def _is_utf8(body: Any, i: int, end: int) -> bool:
    """Whether body[i:end] is valid UTF-8: no surrogates, nothing overlong."""
    while i < end:
        lead = body[i]
        i += 1
        if lead < 0x80:
            continue
        lowest, highest = 0x80, 0xBF  # of the second byte
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            if lead == 0xE0:
                lowest = 0xA0
            elif lead == 0xED:
                highest = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            if lead == 0xF0:
                lowest = 0x90
            elif lead == 0xF4:
                highest = 0x8F
        else:
            return False
        if i + more > end or body[i] < lowest or body[i] > highest:
            return False
        for k in range(1, more):
            if body[i + k] & 0xC0 != 0x80:
                return False
        i += more
    return True


@kernel()
def string_end(body: Any, i: int, n: int, one_line: bool) -> int:
    """Where the string that begins at `i`, behind its quote, has its closing quote."""
    start = i
    seen = np.uint8(0)
    while i < n:
        byte = body[i]
        if byte == QUOTE:
            return i if seen < 0x80 or _is_utf8(body, start, i) else NOT_UTF8
        if byte == BACKSLASH:
            i += 1
            byte = body[i]
            if byte == NEWLINE:
                return UNTERMINATED
        if one_line and byte == NEWLINE:
            return UNTERMINATED
        seen |= byte
        i += 1
    return UNTERMINATED

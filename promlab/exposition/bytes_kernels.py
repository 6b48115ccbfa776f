"""Helpers of the exposition kernels: numbers, quoted strings, comparing and hashing bytes.

They are compiled into `scan_kernels` and `intern_kernels`, and rely on a body whose last
byte is a newline: whatever reads forward stops there, so only strings check bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import intrinsic, ir, kernel, types

TAB, NEWLINE, SPACE, QUOTE, HASH = 9, 10, 32, 34, 35
PLUS, COMMA, MINUS, DOT, COLON, EQUAL = 43, 44, 45, 46, 58, 61
BACKSLASH, UNDERSCORE, OPEN, CLOSE = 92, 95, 123, 125

EXACT, SLOW, BAD = 0, 1, -1  # what became of a number
UNTERMINATED, NOT_UTF8 = -1, -2  # instead of where a string ends

POWERS_OF_TEN = np.array([10.0**power for power in range(23)])
EXACT_INTEGER = np.uint64(1 << 53)
_TEN: Any = np.uint64(10)


@intrinsic
def differing32(_context: Any, left: Any, i: Any, right: Any, j: Any) -> Any:
    """Bit k is set where byte i+k of one array differs from byte j+k of the other, k < 32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def load(array: int, index: int) -> Any:
            start = context.make_array(signature.args[array])(context, builder, args[array]).data
            block = ir.VectorType(ir.IntType(8), 32).as_pointer()
            return builder.load(builder.bitcast(builder.gep(start, [args[index]]), block), align=1)

        return builder.bitcast(builder.icmp_unsigned("!=", load(0, 1), load(2, 3)), ir.IntType(32))

    return types.uint32(left, types.int64, right, types.int64), build


@intrinsic
def lowest_bit(_context: Any, mask: Any) -> Any:
    """Index of the lowest bit that is set; the mask is not 0."""

    def build(_target: Any, builder: Any, _signature: Any, args: Any) -> Any:
        index = builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))
        return builder.zext(index, ir.IntType(64))

    return types.int64(types.uint32), build


@intrinsic
def word_at(_context: Any, array: Any, i: Any) -> Any:
    """Eight bytes of a byte array as u64."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, args[0]).data
        pointer = builder.gep(start, [args[1]])
        return builder.load(builder.bitcast(pointer, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(array, types.int64), build


@intrinsic
def folded_product(_context: Any, a: Any, b: Any) -> Any:
    """Upper xor lower half of the 128-bit product of two u64: mixes every bit into every bit."""

    def build(_target: Any, builder: Any, _signature: Any, args: Any) -> Any:
        wide, word = ir.IntType(128), ir.IntType(64)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        upper = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)
        return builder.xor(upper, builder.trunc(product, word))

    return types.uint64(types.uint64, types.uint64), build


@kernel()
def equal_bytes(left: Any, i: int, right: Any, j: int, limit: int) -> int:
    """How many leading bytes, at most `limit`, of left[i:] and right[j:] are the same."""
    same = 0
    while same + 32 <= limit:
        mask = differing32(left, i + same, right, j + same)
        if mask != 0:
            return same + int(lowest_bit(mask))
        same += 32
    while same < limit and left[i + same] == right[j + same]:
        same += 1
    return same


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


@kernel()
def hash_bytes(body: Any, i: int, end: int, seed: Any, key: Any) -> Any:
    """A hash of body[i:end] that whoever wrote the body can't foresee."""
    mixed = folded_product(seed ^ np.uint64(end - i), key)
    while i + 8 <= end:
        mixed = folded_product(mixed ^ word_at(body, i), key)
        i += 8
    rest = np.uint64(0)
    while i < end:
        rest = (rest << np.uint64(8)) | np.uint64(body[i])
        i += 1
    return folded_product(mixed ^ rest, key)

"""Floats as Prometheus prints them, without a Python object a number.

`print_float` writes the shortest digits that read back as the same float (the Schubfach
method: R. Giulietti, "The Schubfach way to render doubles"), in plain notation, or with an
exponent where the number is below 1e-6 or from 1e21 on, as Go's 'f' and 'e' do: `0.1`,
`1e+21`, `1e-07`, `+Inf`, `NaN`. `promlab.model.float_text` does the same for one float.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from promlab.jit import intrinsic, ir, kernel, types

MAX_FLOAT_BYTES = 26  # "-" and 17 digits and the longest of ".", "0.00000", "e-308"
_MIN_POWER, _MAX_POWER = -292, 324
_U: Any = np.uint64


def _powers_of_ten() -> npt.NDArray[np.uint64]:
    """The upper 128 bits of each power of ten, rounded up, as u64[617, 2]: high, low."""
    table = np.empty((_MAX_POWER - _MIN_POWER + 1, 2), np.uint64)
    for power in range(_MIN_POWER, _MAX_POWER + 1):
        shift = ((power * 1741647) >> 19) - 127
        if power < 0:
            bits = -((-1 << -shift) // 10**-power)
        elif shift <= 0:
            bits = 10**power << -shift
        else:
            bits = -((-(10**power)) >> shift)
        table[power - _MIN_POWER] = bits >> 64, bits & (2**64 - 1)
    return table


_POWERS = _powers_of_ten()
_PAIRS = np.frombuffer(b"".join(b"%02d" % n for n in range(100)), np.uint8).reshape(100, 2).copy()


@intrinsic
def high_product(_context: Any, a: Any, b: Any) -> Any:
    """The upper 64 bits of the product of two u64."""

    def build(_target: Any, builder: Any, _signature: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), build


@intrinsic
def float_bits(_context: Any, value: Any) -> Any:
    """The bits of an f64 as u64."""

    def build(_target: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.uint64(types.float64), build


@kernel(inline=True)
def _round_to_odd(high: int, low: int, factor: int) -> int:
    carry = high_product(low, factor)
    upper = high_product(high, factor)
    lower = _U(_U(high * factor) + carry)
    if lower < carry:
        upper = _U(upper + _U(1))
    odd: int = _U(upper | (_U(1) if lower > _U(1) else _U(0)))
    return odd


@kernel()
def shortest_decimal(value: float) -> tuple[int, int]:
    """Digits and exponent of a positive finite float: value = digits * 10**exponent."""
    bits = float_bits(value)
    biased: Any = np.int64((bits >> _U(52)) & _U(0x7FF))
    fraction = bits & _U(0xFFFFFFFFFFFFF)
    if biased != 0:
        mantissa = fraction | _U(1 << 52)
        power = biased - 1075
        if 0 <= -power < 53 and (mantissa & ((_U(1) << _U(-power)) - _U(1))) == 0:
            return mantissa >> _U(-power), 0
    else:
        mantissa = fraction
        power = -1074
    # The interval that reads back as `value`, its ends included where the mantissa is even.
    closer_below = 1 if (fraction == 0 and biased > 1) else 0
    left = _U(4) * mantissa - _U(2) + _U(closer_below)
    right = _U(4) * mantissa + _U(2)
    k = (power * 1262611 - (524031 if closer_below else 0)) >> 22
    shift = _U(power + ((-k * 1741647) >> 19) + 1)
    high = _POWERS[-k - _MIN_POWER, 0]
    low = _POWERS[-k - _MIN_POWER, 1]
    odd = mantissa & _U(1)
    lower = _round_to_odd(high, low, left << shift) + odd
    middle = _round_to_odd(high, low, (_U(4) * mantissa) << shift)
    upper = _round_to_odd(high, low, right << shift) - odd
    digits = middle >> _U(2)
    if digits >= _U(10):
        tens = digits // _U(10)
        below_fits = lower <= _U(40) * tens
        above_fits = _U(40) * tens + _U(40) <= upper
        if below_fits != above_fits:
            return tens + (_U(1) if above_fits else _U(0)), k + 1
    below_fits = lower <= _U(4) * digits
    above_fits = _U(4) * digits + _U(4) <= upper
    if below_fits != above_fits:
        return digits + (_U(1) if above_fits else _U(0)), k
    half = _U(4) * digits + _U(2)
    round_up = middle > half or (middle == half and (digits & _U(1)) != 0)
    return digits + (_U(1) if round_up else _U(0)), k


@kernel(inline=True)
def print_text(text: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8], at: int) -> int:
    """Copies `text` to `out[at:]`; returns where it ends. For short texts."""
    for i in range(len(text)):
        out[at + i] = text[i]
    return at + len(text)


_NAN = np.frombuffer(b"NaN", np.uint8).copy()
_INF = np.frombuffer(b"Inf", np.uint8).copy()


@intrinsic
def _put_word(_context: Any, out: Any, at: Any, word: Any) -> Any:
    """Eight bytes to a byte array."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(start, [args[1]]), ir.IntType(64).as_pointer())
        builder.store(args[2], place, align=1)
        return context.get_dummy_value()

    return types.void(out, types.int64, types.uint64), build


@kernel(inline=True)
def _eight_digits(number: int) -> int:
    """The eight digits of a number below 10**8 as text, the first in the lowest byte.

    Halves, then pairs, then digits are divided side by side in one word.
    """
    high = number // _U(10_000)
    word = high | (number - high * _U(10_000)) << _U(32)
    tops = ((word * _U(10486)) >> _U(20)) & _U(0x7F_0000007F)  # hundreds of each half
    word = tops | (word - tops * _U(100)) << _U(16)
    tops = ((word * _U(103)) >> _U(10)) & _U(0x000F_000F_000F_000F)  # tens of each pair
    text: int = (tops | (word - tops * _U(10)) << _U(8)) + _U(0x3030_3030_3030_3030)
    return text


@kernel(inline=True)
def _print_digits(digits: int, count: int, out: npt.NDArray[np.uint8], at: int) -> None:
    """Writes `count` decimal digits so that they end before `at + count`."""
    i = at + count
    while digits >= _U(100_000_000):
        rest = digits // _U(100_000_000)
        i -= 8
        _put_word(out, i, _eight_digits(digits - rest * _U(100_000_000)))
        digits = rest
    while digits >= _U(100):
        rest = digits // _U(100)
        pair: Any = np.int64(digits - rest * _U(100))
        digits = rest
        out[i - 1] = _PAIRS[pair, 1]
        out[i - 2] = _PAIRS[pair, 0]
        i -= 2
    if digits >= _U(10):
        pair = np.int64(digits)
        out[i - 1] = _PAIRS[pair, 1]
        out[i - 2] = _PAIRS[pair, 0]
        i -= 2
    elif i > at:
        i -= 1
        out[i] = np.uint8(48 + np.int64(digits))
    while i > at:
        i -= 1
        out[i] = 48


@kernel(inline=True)
def _count_digits(digits: int) -> int:
    count = 1
    bound = _U(10)
    if digits >= _U(10**15):
        count = 15
        bound = _U(10**15)
    elif digits >= _U(10**7):
        count = 7
        bound = _U(10**7)
    while count < 19 and digits >= bound:
        count += 1
        bound *= _U(10)
    return count


@kernel()
def print_int(number: int, out: npt.NDArray[np.uint8], at: int) -> int:
    """Writes an i64 to `out[at:]`; returns where it ends."""
    size = _U(number)
    if number < 0:
        out[at] = 45
        at += 1
        size = _U(0) - _U(number)
    count = _count_digits(size)
    _print_digits(size, count, out, at)
    return at + count


@kernel()
def print_seconds(t_ms: int, out: npt.NDArray[np.uint8], at: int) -> int:
    """Writes a time in ms as seconds, with three decimals or none; returns where it ends."""
    if t_ms < 0:
        out[at] = 45
        at += 1
        t_ms = -t_ms
    at = print_int(t_ms // 1000, out, at)
    rest = t_ms % 1000
    if rest:
        out[at] = 46
        out[at + 1] = 48 + rest // 100
        out[at + 2] = 48 + rest // 10 % 10
        out[at + 3] = 48 + rest % 10
        at += 4
    return at


@kernel()
def _print_exponent_form(
    digits: int, count: int, point: int, out: npt.NDArray[np.uint8], at: int
) -> int:
    """Writes d.ddde±dd; the decimal point of the plain form is after `point` digits."""
    _print_digits(digits, count, out, at + 1)
    out[at] = out[at + 1]
    out[at + 1] = 46
    at += count + 1 if count > 1 else 1
    exponent = point - 1
    out[at] = 101
    out[at + 1] = 45 if exponent < 0 else 43
    exponent = abs(exponent)
    at += 2
    if exponent >= 100:
        out[at] = 48 + exponent // 100
        at += 1
    out[at] = 48 + exponent // 10 % 10
    out[at + 1] = 48 + exponent % 10
    return at + 2


@kernel()
def print_float(value: float, out: npt.NDArray[np.uint8], at: int) -> int:
    """Writes a float to `out[at:]`, at most MAX_FLOAT_BYTES; returns where it ends."""
    if value != value:
        return print_text(_NAN, out, at)
    if float_bits(value) >> _U(63):
        out[at] = 45
        at += 1
        value = -value
    elif value == np.inf:
        out[at] = 43
        at += 1
    if value == np.inf:
        return print_text(_INF, out, at)
    if value == 0:
        out[at] = 48
        return at + 1
    digits, exponent = shortest_decimal(value)
    while digits >= _U(10):
        tens = digits // _U(10)
        if tens * _U(10) != digits:
            break
        digits = tens
        exponent += 1
    count = _count_digits(digits)
    point = count + exponent
    if value < 1e-6 or value >= 1e21:
        return _print_exponent_form(digits, count, point, out, at)
    if exponent >= 0:
        _print_digits(digits, count, out, at)
        at += count
        for _ in range(exponent):
            out[at] = 48
            at += 1
        return at
    if point <= 0:
        out[at] = 48
        out[at + 1] = 46
        at += 2
        for _ in range(-point):
            out[at] = 48
            at += 1
        _print_digits(digits, count, out, at)
        return at + count
    # 123.45: the digits one place to the right, then the whole part moved back over the gap.
    _print_digits(digits, count, out, at + 1)
    for i in range(at, at + point):
        out[i] = out[i + 1]
    out[at + point] = 46
    return at + count + 1


@kernel("i8(f8[::1], u1[::1], i8[::1])")
def print_floats(
    values: npt.NDArray[np.float64], out: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]
) -> int:
    """Writes many floats one after the other; `ends[i]` is where the i-th ends."""
    at = 0
    for i in range(len(values)):
        at = print_float(values[i], out, at)
        ends[i] = at
    return at

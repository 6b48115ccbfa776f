"""Fields of protobuf messages, for kernels that read them in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.model.wire_kernels import content, varint

BODY = "Array(uint8, 1, 'C', readonly=True)"
_U: Any = np.uint64
BAD = -1


@kernel()
def field(body: Any, at: Any, end: Any) -> Any:
    """Number, wire type, and where the content of the next field begins and ends.

    The content of a varint field is the varint itself. The end is -1 where it is damaged.
    """
    key, at = varint(body, at, end)
    if at < 0:
        return 0, 0, 0, BAD
    number: Any = np.int64(key >> _U(3))
    wire: Any = np.int64(key & _U(7))
    at, stop = content(body, at, end, wire)
    if number == 0:
        stop = BAD
    return number, wire, at, stop


@kernel()
def double(body: Any, at: Any) -> Any:
    """A double, bit for bit."""
    bits = np.zeros(1, np.uint64)
    for i in range(8):
        bits[0] |= _U(body[at + i]) << _U(8 * i)
    return bits.view(np.float64)[0]


@kernel()
def zigzag(value: Any) -> Any:
    """The signed number that a zigzag varint stands for."""
    return np.int64(value >> _U(1)) ^ -np.int64(value & _U(1))

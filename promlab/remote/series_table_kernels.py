"""SipHash-1-3 of bytes, and the table from hashes of labels to storage's references.

The key of the hash is secret: nobody can make two series collide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from promlab.jit import kernel

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]

_U: Any = np.uint64
_H = "Array(uint64, 1, 'C', readonly=True)"


@kernel(inline=True)
def _rotate(word: int, bits: int) -> int:
    rotated: int = (word << _U(bits)) | (word >> _U(64 - bits))
    return rotated


@kernel()
def _sip_round(state: Hashes) -> None:
    """SipHash's round (Aumasson, Bernstein: "SipHash: a fast short-input PRF")."""
    v0, v1, v2, v3 = state[0], state[1], state[2], state[3]
    v0 += v1
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 += v3
    v3 = _rotate(v3, 16) ^ v2
    v0 += v3
    v3 = _rotate(v3, 21) ^ v0
    v2 += v1
    v1 = _rotate(v1, 17) ^ v2
    v2 = _rotate(v2, 32)
    state[0], state[1], state[2], state[3] = v0, v1, v2, v3


@kernel()
def sip_word(state: Hashes, word: int) -> None:
    """Take in eight bytes."""
    state[3] ^= word
    _sip_round(state)
    state[0] ^= word


@kernel()
def sip_start(state: Hashes, key_a: int, key_b: int) -> None:
    """Begin a hash."""
    state[0] = _U(key_a) ^ _U(0x736F6D6570736575)
    state[1] = _U(key_b) ^ _U(0x646F72616E646F6D)
    state[2] = _U(key_a) ^ _U(0x6C7967656E657261)
    state[3] = _U(key_b) ^ _U(0x7465646279746573)


@kernel()
def sip_bytes(state: Hashes, body: Bytes, at: int, end: int) -> None:
    """Take in some bytes, and how many they are."""
    sip_word(state, _U(end - at))
    while at < end:
        word = _U(0)
        for i in range(min(8, end - at)):
            word |= _U(body[at + i]) << _U(8 * i)
        sip_word(state, word)
        at += 8


@kernel()
def sip_end(state: Hashes, mark: int) -> int:
    """One half of the hash for each mark, 0xEE first, then 0."""
    state[2 if mark else 1] ^= _U(0xEE) ^ _U(mark)
    for _ in range(3):
        _sip_round(state)
    hashed: int = state[0] ^ state[1] ^ state[2] ^ state[3]
    return hashed


@kernel(f"void({_H}, {_H}, {_H}, {_H}, {_H}, uint64[::1], boolean[::1])")
def find_refs(
    table_a: Hashes,
    table_b: Hashes,
    table_refs: Hashes,
    hash_a: Hashes,
    hash_b: Hashes,
    refs: Hashes,
    known: npt.NDArray[np.bool_],
) -> None:
    """References of series by their hashes; the table is open-addressed, 0, 0 is free."""
    mask = _U(len(table_a) - 1)
    for s in range(len(hash_a)):
        at = hash_a[s] & mask
        known[s] = False
        while table_a[at] != 0 or table_b[at] != 0:
            if table_a[at] == hash_a[s] and table_b[at] == hash_b[s]:
                refs[s] = table_refs[at]
                known[s] = True
                break
            at = (at + _U(1)) & mask


@kernel(f"int64(uint64[::1], uint64[::1], uint64[::1], {_H}, {_H}, {_H})")
def keep_refs(
    table_a: Hashes,
    table_b: Hashes,
    table_refs: Hashes,
    hash_a: Hashes,
    hash_b: Hashes,
    refs: Hashes,
) -> int:
    """Puts series into the table, which must have room; returns how many were new."""
    mask = _U(len(table_a) - 1)
    added = 0
    for s in range(len(hash_a)):
        at = hash_a[s] & mask
        while table_a[at] != 0 or table_b[at] != 0:
            if table_a[at] == hash_a[s] and table_b[at] == hash_b[s]:
                break
            at = (at + _U(1)) & mask
        if table_a[at] == 0 and table_b[at] == 0:
            added += 1
        table_a[at], table_b[at], table_refs[at] = hash_a[s], hash_b[s], refs[s]
    return added

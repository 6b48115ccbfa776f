"""Slices of a byte array: copying, comparing, hashing, and finding the distinct ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import intrinsic, ir, kernel, types

EMPTY = -1


@intrinsic
def copy_bytes(_context: Any, source: Any, i: Any, out: Any, j: Any, count: Any) -> Any:
    """out[j:j+count] = source[i:i+count] as one call: byte for byte costs ten times as much."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def place(array: int, index: int) -> Any:
            start = context.make_array(signature.args[array])(context, builder, args[array]).data
            return builder.gep(start, [args[index]])

        pointer, size, flag = ir.IntType(8).as_pointer(), ir.IntType(64), ir.IntType(1)
        copy = builder.module.declare_intrinsic("llvm.memcpy", [pointer, pointer, size])
        builder.call(copy, [place(2, 3), place(0, 1), args[4], flag(0)])
        return context.get_dummy_value()

    return types.void(source, types.int64, out, types.int64, types.int64), build


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


@kernel(
    "UniTuple(int64, 2)(Array(uint8, 1, 'C', True), int32[:], int32[:], uint64, uint64,"
    " int32[::1], uint64[::1], int32[::1], int32[::1], int64, int64)"
)
def intern_slices(
    body: Any,
    starts: Any,
    ends: Any,
    seed: int,
    key: int,
    table: Any,
    hashes: Any,
    firsts: Any,
    ids: Any,
    at: int,
    count: int,
) -> tuple[int, int]:
    """Give equal slices equal ids, dense and in order of appearance, from slice `at` on.

    `table` is an EMPTY hash table whose size is a power of two; `hashes` and `firsts` hold
    what is known of the `count` ids given before (the slice each was first seen as). Stops
    when the table is half full; returns how far it came and the new count.
    """
    mask = np.uint64(len(table) - 1)
    for known in range(count):
        slot = hashes[known] & mask
        while table[slot] != EMPTY:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = known
    while at < len(starts) and 2 * count < len(table):
        start: Any = np.int64(starts[at])
        end: Any = np.int64(ends[at])
        mixed = hash_bytes(body, start, end, seed, key)
        slot = mixed & mask
        while True:
            known = table[slot]
            if known == EMPTY:
                table[slot] = count
                hashes[count] = mixed
                firsts[count] = at
                ids[at] = count
                count += 1
                break
            first = firsts[known]
            begin: Any = np.int64(starts[first])
            length: Any = ends[first] - begin
            if (
                hashes[known] == mixed
                and length == end - start
                and equal_bytes(body, start, body, begin, length) == length
            ):
                ids[at] = known
                break
            slot = (slot + np.uint64(1)) & mask
        at += 1
    return at, count

"""The kernel that finds few series in the labels of several blocks, each label set once."""

from __future__ import annotations

from typing import Any

import numpy as np

from promlab.jit import kernel
from promlab.tsdb.codec_kernels import bytes_at, longs_at

SERIES = 256  # different label sets, and no more
EQUAL, NOT_EQUAL, VERDICT = 0, 1, 2  # what a test does; its number is EQUAL and so on
TOO_MANY = -1
UNKNOWN = -2  # a string that its matcher has not judged yet
# Columns of a table of blocks, in front of an address of codes for each label.
COUNT, NUMBERS, ORDER, SORTED, FIRST_COLUMN = 0, 1, 2, 3, 4


@kernel()
def _code(block: Any, column: Any, row: Any) -> Any:
    """The code of a label of a series."""
    address = block[FIRST_COLUMN + column] if column >= 0 else np.int64(0)
    if address == 0:
        return np.int64(0)
    return np.int64(bytes_at(np.uint64(address + 4 * row), 4).view(np.uint32)[0])


@kernel()
def _judge(test: Any, code: Any) -> Any:
    """Whether a code passes a test (column, what, code or address, length): 1, 0 or UNKNOWN."""
    if test[1] == EQUAL:
        return np.int64(code == test[2])
    if test[1] == NOT_EQUAL:
        return np.int64(code != test[2])
    verdict = np.int64(-1)
    if code < test[3]:
        verdict = np.int64(bytes_at(np.uint64(test[2] + code), 1)[0])
    return verdict if 0 <= verdict <= 1 else np.int64(UNKNOWN)


@kernel()
def _judge_all(block: Any, row: Any, tests: Any) -> Any:
    for t in range(len(tests)):
        verdict = _judge(tests[t], _code(block, tests[t, 0], row))
        if verdict != 1:
            return verdict
    return np.int64(1)


@kernel()
def _same(block: Any, row: Any, codes: Any, u: Any) -> Any:
    for column in range(len(codes)):
        if np.int64(codes[column, u]) != _code(block, np.int64(column), row):
            return False
    return True


@kernel()
def _known(block: Any, row: Any, codes: Any, n: Any, guess: Any) -> Any:
    """Which of n label sets a series has, n if none."""
    if guess < n and _same(block, row, codes, guess):
        return guess
    for u in range(n):
        if _same(block, row, codes, u):
            return np.int64(u)
    return n


@kernel("UniTuple(i8, 2)(i8[:, ::1], i8, i8[:, ::1], u4[:, ::1], i8[:, ::1])")
def find_few(blocks: Any, metric: Any, tests: Any, codes: Any, hits: Any) -> Any:
    """Series of blocks that pass all tests, and of these metric's, if it is not negative.

    Writes the label sets to `codes`, each once, a row a label, and to `hits` of each series its
    block, number and label set. Returns how many hits and label sets, or TOO_MANY or UNKNOWN.
    """
    n = found = np.int64(0)
    for b in range(len(blocks)):
        block = blocks[b]
        low, high = np.int64(0), block[COUNT]
        order = longs_at(np.uint64(block[ORDER]), high)
        if metric >= 0 and block[SORTED] == 0:
            continue
        if metric >= 0:
            by_code = bytes_at(np.uint64(block[SORTED]), 4 * high).view(np.uint32)
            low = np.int64(np.searchsorted(by_code, np.uint32(metric)))
            high = np.int64(np.searchsorted(by_code, np.uint32(metric), side="right"))
        address = wanted = known = np.int64(0)
        if len(tests) > 0 and tests[0, 0] >= 0 and tests[0, 1] != NOT_EQUAL:
            address, wanted = block[FIRST_COLUMN + tests[0, 0]], tests[0, 2]
            known = tests[0, 3]  # none of EQUAL
        first_codes = bytes_at(np.uint64(address), 4 * block[COUNT]).view(np.uint32)
        verdicts = bytes_at(np.uint64(wanted if known > 0 else 0), known)
        guess = np.int64(0)
        for i in range(low, high):
            row = order[i] if metric >= 0 else np.int64(i)
            if address != 0:  # most are not looked at any closer
                code = np.int64(first_codes[row])
                if code != wanted if known == 0 else code < known and verdicts[code] == 0:
                    continue
            verdict = _judge_all(block, row, tests)
            if verdict == UNKNOWN:
                return np.int64(UNKNOWN), np.int64(0)
            if verdict == 0:
                continue
            which = _known(block, row, codes, found, guess)
            if which == SERIES or n == len(hits):
                return np.int64(TOO_MANY), np.int64(0)
            if which == found:
                for column in range(len(codes)):
                    codes[column, which] = _code(block, np.int64(column), row)
                found += 1
            hits[n, 0], hits[n, 1], hits[n, 2] = b, row, which
            n += 1
            guess = which + 1
    return n, found

"""Pieces by the codes of values: all are found, whatever they came in."""

from __future__ import annotations

import numpy as np
import pytest

from promlab.server.piece_numbers import PieceNumbers


def test_no_value_is_the_first_piece() -> None:
    numbers = PieceNumbers()
    assert numbers.find(np.array([0, 7, 0], np.uint32)).tolist() == [0, -1, 0]


@pytest.mark.parametrize("most", [1, 3, 200])
def test_as_a_dict(most: int) -> None:
    dice = np.random.default_rng(most)
    numbers, wanted = PieceNumbers(), {0: 0}
    for _ in range(300):
        codes = np.setdiff1d(dice.integers(1, 1 << 32, most, np.uint64), list(wanted))
        pieces = np.arange(len(wanted), len(wanted) + len(codes))
        numbers.add(codes.astype(np.uint32), pieces)
        wanted |= zip(codes.tolist(), pieces.tolist(), strict=True)
        asked = np.concatenate([dice.choice(list(wanted), 5), dice.integers(0, 1 << 32, 5)])
        found = numbers.find(asked.astype(np.uint32)).tolist()
        assert found == [wanted.get(code, -1) for code in asked.tolist()]
    everything = np.array(list(wanted), np.uint32)
    assert numbers.find(everything).tolist() == list(wanted.values())


def test_one_at_a_time_makes_few_runs() -> None:
    """And sorts each value a few times only."""
    numbers = PieceNumbers()
    for code in range(1, 5_000):
        numbers.add(np.array([code], np.uint32), np.array([code]))
        assert len(numbers._runs) <= 8

"""The order of rows within a row group, against a plain twin."""

from __future__ import annotations

import numpy as np

from promlab.tsdb.blocks.arrange import by_activity, reordered


def test_rows_that_move_alike_stand_together() -> None:
    dice = np.random.default_rng(3)
    counts = dice.integers(0, 30, 200)
    spread = 10 ** dice.integers(0, 12, 200)
    rows = [dice.integers(-s, s, n) for s, n in zip(spread, counts, strict=True)]
    series = np.sort(dice.integers(0, 90, 200))
    items = np.concatenate(rows)
    order = by_activity(series, counts, items)
    assert sorted(order.tolist()) == list(range(200))

    def bits(row: int) -> int:
        moves = [abs(float(b) - float(a)) for a, b in zip(rows[row], rows[row][1:], strict=False)]
        return 64 + int(np.floor(np.log2(sum(moves) / len(rows[row])))) if any(moves) else 0

    most = {s: max(bits(row) for row in np.flatnonzero(series == s).tolist()) for s in series}
    expected = sorted(range(200), key=lambda row: (most[series[row]], row))
    assert order.tolist() == expected
    moved = reordered(items, counts, order)
    assert moved.tolist() == np.concatenate([rows[row] for row in expected]).tolist()


def test_nothing_to_arrange() -> None:
    none = np.zeros(0, np.int64)
    assert len(by_activity(none, none, none)) == 0
    assert by_activity(np.arange(3), np.zeros(3, np.int64), none).tolist() == [0, 1, 2]

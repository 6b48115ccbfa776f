from __future__ import annotations

import math

from promlab.model.quantiles import CAPACITY, MAX_AGE_S, Window


def test_quantiles_of_what_came_lately() -> None:
    now = [0.0]
    window = Window(lambda: now[0])
    assert math.isnan(window.quantiles([0.5])[0])
    for value in range(101):
        window.add(value)
    assert window.quantiles([0.01, 0.5, 0.99]) == [1, 50, 99]
    now[0] = MAX_AGE_S + 1
    window.add(7)
    assert window.quantiles([0.0, 1.0]) == [7, 7]
    assert (window.count, window.sum) == (102, 5057)


def test_a_window_is_bounded() -> None:
    window = Window(lambda: 0.0)
    for value in range(3 * CAPACITY):
        window.add(value)
    assert window.quantiles([0.0]) == [2 * CAPACITY]


def test_windows_are_joined() -> None:
    one, other = Window(lambda: 0.0), Window(lambda: 0.0)
    one.add(1)
    other.add(3)
    joined = Window.joined([one, other])
    assert (joined.count, joined.sum, joined.quantiles([0.0, 1.0])) == (2, 4, [1, 3])
    assert Window.joined([]).count == 0

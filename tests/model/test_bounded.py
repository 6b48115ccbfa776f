"""Values that are kept as long as there is room, against a plain list of what was used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promlab.model.bounded import Bounded

steps = st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.integers(0, 12)), max_size=60)


@given(steps)
def test_no_more_than_there_is_room_for(steps: list[tuple[bool, int, int]]) -> None:
    kept: Bounded[int, str] = Bounded(20, len)
    newest: dict[int, str] = {}
    for puts, key, size in steps:
        if puts:
            newest[key] = "x" * size
            kept.put(key, newest[key])
            assert kept.get(key) is newest[key]
        assert kept.get(key) in (None, newest.get(key))
        assert kept.size == sum(map(len, kept.values())) <= 20
        assert dict(kept.items()).items() <= newest.items()
    kept.clear()
    assert kept.size == 0
    assert not kept.values()


def test_the_one_not_used_for_longest_goes() -> None:
    kept: Bounded[str, str] = Bounded(3, len)
    for key in "abc":
        kept.put(key, "x")
    kept.get("a")
    kept.put("d", "x")
    assert [key for key, _ in kept.items()] == ["c", "a", "d"]


def test_one_too_large_stays_alone_and_a_smaller_bound_holds_from_the_next_on() -> None:
    kept: Bounded[str, str] = Bounded(3, len)
    kept.put("a", "x")
    kept.put("b", "xxxxx")
    assert dict(kept.items()) == {"b": "xxxxx"}
    kept.most = 1
    kept.put("c", "x")
    assert dict(kept.items()) == {"c": "x"}

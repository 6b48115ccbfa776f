"""Head and blocks against a plain dict: whatever storage does by itself changes nothing.

It cuts, joins, cleans and forgets at any moment; what is deleted is gone, and stays gone.
"""

from __future__ import annotations

import time
from dataclasses import replace

from block_tools import ask, in_process, settle
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from test_head_model import SMALL, StorageMachine
from tsdb_model import Key, everything

from promlab.tsdb.head import Head

OPTIONS = replace(SMALL, block_s=30.0, max_block_s=270.0, retention_s=0.0, settle_bytes=1)
HOUR_S = 3600


class BlocksMachine(StorageMachine):
    options = OPTIONS

    def open_head(self) -> Head:
        return in_process(Head.open(self.path, options=self.options))

    @precondition(lambda self: self.newest > 0)
    @rule()
    def cut_and_join(self) -> None:
        settle(self.head)

    @precondition(lambda self: self.model)
    @rule(
        label=st.sampled_from([("__name__", "m0"), ("__name__", "m1"), ("instance", "a")]),
        age=st.integers(-1_000, 400_000),
        length=st.sampled_from([0, 20_000, 2**61]),
    )
    def delete(self, label: tuple[str, str], age: int, length: int) -> None:
        start, end = self.now - age, self.now - age + length
        name, value = label
        ask(self.head, kind="delete", selectors=[[[name, "=", value]]], start_ms=start, end_ms=end)
        for key in [key for key in self.model if label in key]:
            kept = [sample for sample in self.model[key] if not start <= sample[0] <= end]
            if kept:
                self.model[key] = kept
            else:
                del self.model[key]

    @precondition(lambda self: self.model)
    @rule()
    def clean(self) -> None:
        ask(self.head, kind="clean")


class ForgettingMachine(BlocksMachine):
    """With a retention, and a wall clock that is set to any time at all."""

    options = replace(OPTIONS, retention_s=300.0)
    wall_s = 0.0

    def open_head(self) -> Head:
        self.wall_s = self.wall_s or time.time()
        return in_process(Head.open(self.path, options=replace(self.options, clock=self.clock)))

    def clock(self) -> float:
        return self.wall_s

    @rule(by_s=st.sampled_from([1, 31, HOUR_S, -HOUR_S, -40 * 365 * 24 * HOUR_S]))
    def set_clock(self, by_s: int) -> None:
        self.wall_s += by_s

    @invariant()
    def readers_see_everything(self) -> None:
        if not hasattr(self, "head"):
            return
        self.head.commit()
        found = everything(self.reader)
        oldest = self.newest - 300_000
        for key in {*self.model, *found}:
            self.only_old_ones_go(key, found.get(key, []), oldest)
        self.model = found  # what went never comes back

    def only_old_ones_go(self, key: Key, found: list[tuple[int, int]], oldest: int) -> None:
        wanted = self.model.get(key, [])
        assert set(found) <= set(wanted)
        assert [s for s in found if s[0] > oldest] == [s for s in wanted if s[0] > oldest]


_SETTINGS = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestBlocks, TestForgetting = BlocksMachine.TestCase, ForgettingMachine.TestCase
TestBlocks.settings = TestForgetting.settings = _SETTINGS

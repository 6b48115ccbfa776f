"""Histograms, start times and late samples in head and blocks against a plain dict."""

from __future__ import annotations

from dataclasses import replace

from block_tools import in_process, settle
from hypothesis import HealthCheck, settings
from hypothesis.stateful import precondition, rule
from test_head_extras_model import ExtrasMachine

from promlab.tsdb.head import Head


class BlocksMachine(ExtrasMachine):
    settle_bytes = 4 << 20

    def open_head(self) -> Head:
        options = replace(
            self.options,
            block_s=30.0,
            max_block_s=270.0,
            retention_s=0.0,
            settle_bytes=self.settle_bytes,
        )
        return in_process(Head.open(self.path, options=options))

    @precondition(lambda self: self.model.max_time > 0)
    @rule()
    def cut_and_join(self) -> None:
        settle(self.head)


class LateBlocksMachine(BlocksMachine):
    late_s = 50.0


class WideLateBlocksMachine(BlocksMachine):
    """What comes late may be older than all that is left in the head, which leaves only blocks."""

    late_s = 1_000.0
    settle_bytes = 1


_SETTINGS = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestInOrder, TestLate, TestWideLate = (
    machine.TestCase for machine in (BlocksMachine, LateBlocksMachine, WideLateBlocksMachine)
)
for _case in (TestInOrder, TestLate, TestWideLate):
    _case.settings = _SETTINGS
del _case

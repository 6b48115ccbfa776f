"""Histograms, start times and late samples in head and blocks against a plain dict."""

from __future__ import annotations

from dataclasses import replace

from block_tools import in_process, settle
from hypothesis import HealthCheck, settings
from hypothesis.stateful import precondition, rule
from test_head_extras_model import ExtrasMachine

from promlab.tsdb.head import Head


class BlocksMachine(ExtrasMachine):
    def open_head(self) -> Head:
        options = replace(self.options, block_s=30.0, max_block_s=270.0, retention_s=0.0)
        return in_process(Head.open(self.path, options=options))

    @precondition(lambda self: self.model.max_time > 0)
    @rule()
    def cut_and_join(self) -> None:
        settle(self.head)


class LateBlocksMachine(BlocksMachine):
    late_s = 50.0


_SETTINGS = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestInOrder, TestLate = BlocksMachine.TestCase, LateBlocksMachine.TestCase
TestInOrder.settings = TestLate.settings = _SETTINGS

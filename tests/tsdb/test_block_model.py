"""Head and blocks against a plain dict: cuts and compactions at any moment change nothing."""

from __future__ import annotations

from dataclasses import replace

from block_tools import in_process, settle
from hypothesis import HealthCheck, settings
from hypothesis.stateful import precondition, rule
from test_head_model import SMALL, StorageMachine

from promlab.tsdb.head import Head

OPTIONS = replace(SMALL, block_s=30.0, max_block_s=270.0, retention_s=0.0, settle_bytes=1)


class BlocksMachine(StorageMachine):
    def open_head(self) -> Head:
        return in_process(Head.open(self.path, options=OPTIONS))

    @precondition(lambda self: self.newest > 0)
    @rule()
    def cut_and_join(self) -> None:
        settle(self.head)


BlocksMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestBlocks = BlocksMachine.TestCase

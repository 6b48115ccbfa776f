"""Refused samples are told in the log, once a minute at most, and none is forgotten."""

from __future__ import annotations

import pytest

from promlab.model.storage import AppendOutcome
from promlab.scrape.refusals import EVERY_S, Refusals


def test_a_line_at_once_then_one_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 5.0
    refusals = Refusals(lambda: now_s)
    refusals.note("job 'a', instance 'x'", AppendOutcome(3, out_of_order=1_200))
    assert caplog.messages == [
        "scraped samples are refused: 1,200 older than their series' newest;"
        " the last ones of job 'a', instance 'x'"
    ]
    for _ in range(10):
        now_s += EVERY_S / 11
        refusals.note("job 'a', instance 'x'", AppendOutcome(0, out_of_order=1))
    assert len(caplog.messages) == 1
    now_s += EVERY_S
    refusals.note("job 'b', instance 'y'", AppendOutcome(0, duplicate=2, too_old=7))
    assert caplog.messages[1:] == [
        "scraped samples are refused: 10 older than their series' newest, 7 too old, 2 another"
        " value at the same time; the last ones of job 'b', instance 'y'"
    ]

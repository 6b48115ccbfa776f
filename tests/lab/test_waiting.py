"""Waiting for an answer, and being told why there is none."""

from __future__ import annotations

import pytest

from promlab.errors import NotReady
from promlab.lab import simulate, wait_for


def test_an_answer_is_given_and_its_absence_explained() -> None:
    lab = simulate(seed=1)
    lab.advance("1m")
    assert len(wait_for(lab, "up == 1")) == 6
    with pytest.raises(NotReady, match="no series is called nothing_here"):
        wait_for(lab, "nothing_here", timeout_s=0)
    lab.close()

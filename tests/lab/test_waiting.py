"""Waiting for an answer, and being told why there is none."""

from __future__ import annotations

from types import ModuleType

import pytest

from promlab import lab
from promlab.errors import NotReady
from promlab.lab import simulate, wait_for


def test_an_answer_is_given_and_its_absence_explained() -> None:
    world = simulate(seed=1)
    world.advance("1m")
    assert len(wait_for(world, "up == 1")) == 6
    with pytest.raises(NotReady, match="no series is called nothing_here"):
        wait_for(world, "nothing_here", timeout_s=0)
    world.close()


def test_what_the_lab_gives_is_no_module() -> None:
    for name in lab.__all__:
        for _ in range(2):  # a module that was imported would be in the way the second time
            assert not isinstance(getattr(lab, name), ModuleType), name

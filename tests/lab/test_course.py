"""Steps, checks, hints and the card of a course."""

from __future__ import annotations

import pytest

from promlab.errors import ServerError
from promlab.lab.course import Course, NotYet, Step


class World:
    def __init__(self) -> None:
        self.lit = False
        self.warm = False

    def light(self) -> str:
        if not self.lit:
            raise NotYet("it is dark: switch on the light <b>")
        return "it is bright"

    def heat(self) -> str:
        if not self.warm:
            raise NotYet("it is cold")
        return "it is warm"

    def dark(self) -> str:
        self.lit = False
        return "the light is off again"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def course(world: World) -> Course:
    hints = ("look around", "there is a switch", "world.lit = True")
    return Course(
        "Morning",
        [
            Step("Light <i>", world.light, hints, world.dark),
            Step("Heat", world.heat, hints, needs=(1,)),
        ],
    )


def test_a_check_says_what_is_wrong(course: Course, world: World) -> None:
    verdict = course.check(1)
    assert not verdict
    assert "switch on the light" in repr(verdict)
    world.lit = True
    assert course.check(1)
    assert course.done == {1}
    world.lit = False
    assert not course.check(1)
    assert course.done == set()


def test_a_step_out_of_order_names_the_one_before(course: Course, world: World) -> None:
    world.warm = True
    assert "step 1" in course.check(2).text
    world.lit = True
    assert course.check(2)  # what is there counts, though nobody asked for step 1's check
    assert course.done == {1, 2}


def test_three_hints_and_the_last_one_stays(course: Course) -> None:
    told = [course.hint(1) for _ in range(4)]
    assert told == [
        "hint 1 of 3: look around",
        "hint 2 of 3: there is a switch",
        "hint 3 of 3: world.lit = True",
        "hint 3 of 3: world.lit = True",
    ]


def test_a_reset_undoes(course: Course, world: World) -> None:
    world.lit = True
    course.check(1)
    course.hint(1)
    assert course.reset(1) == "the light is off again"
    assert not world.lit
    assert course.done == set()
    assert course.hint(1).startswith("hint 1")
    assert course.reset(2) == "there is nothing to undo here"


def test_the_card_counts(course: Course, world: World) -> None:
    world.lit = True
    course.check(1)
    course.hint(2)
    assert repr(course).splitlines() == [
        "Morning: 1 of 2 steps done",
        "  ✓ 1. Light <i>",
        "  · 2. Heat  (1 hint)",
    ]
    assert "Light &lt;i&gt;" in course._repr_html_()
    assert "<b>" not in course.check(1)._repr_html_()


def test_there_is_no_such_step(course: Course) -> None:
    with pytest.raises(ServerError, match="steps 1 to 2"):
        course.check(3)

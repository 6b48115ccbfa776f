"""Exercises whose answer is a query, and guesses that are written down before looking.

    practice = Exercises("PromQL", make_world, [Exercise("Targets up", "…", "sum(up)", hints)])
    practice.answer(1, "count(up == 1)")      # right if it gives what the reference gives
    practice.hint(1), practice.reset(1)       # as in any course

An answer is judged by what it finds in three worlds of different seeds, never by its text:
who asks in another way and gets the same is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from promlab.client.results import InstantVector, RangeVector, Result, Scalar
from promlab.client.tables import printable
from promlab.errors import PromlabError, PromQLError
from promlab.lab.course import Course, NotYet, Step, Verdict

SEEDS = (1, 2, 3)
_NEAR = 1e-9
_SHOWN = 3

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Exercise:
    """One question. `reference` is a query that answers it; the last hint may show it."""

    title: str
    task: str
    reference: str
    hints: tuple[str, str, str]
    names_count: bool = False  # whether the answer has to keep the metric's name


class Exercises(Course):
    """A course of queries. `make_world(seed)` gives what has a client's `query`."""

    def __init__(
        self,
        name: str,
        make_world: Callable[[int], Any],
        exercises: Sequence[Exercise],
        seeds: Sequence[int] = SEEDS,
    ) -> None:
        self.exercises, self.answers = list(exercises), dict[int, str]()
        self._make, self._seeds, self._worlds = make_world, tuple(seeds), dict[int, Any]()
        steps = [self._step_of(number) for number in range(1, len(self.exercises) + 1)]
        super().__init__(name, steps)

    def task(self, number: int) -> str:
        """What is asked."""
        self._step(number)
        return self.exercises[number - 1].task

    def answer(self, number: int, query: str) -> Verdict:
        """Judge a query as the answer to an exercise, and remember it."""
        self._step(number)
        self.answers[number] = query
        return self.check(number)

    def close(self) -> None:
        """Let the worlds go."""
        for world in self._worlds.values():
            world.close()
        self._worlds.clear()

    def _step_of(self, number: int) -> Step:
        exercise = self.exercises[number - 1]

        def forget() -> str:
            self.answers.pop(number, None)
            return f"exercise {number} is as it was: {exercise.task}"

        return Step(exercise.title, lambda: self._judge(number), exercise.hints, forget)

    def _judge(self, number: int) -> str:
        exercise, given = self.exercises[number - 1], self.answers.get(number, "")
        if not given.strip():
            raise NotYet(f"there is no answer yet: {exercise.task} answer({number}, 'a query')")
        for seed in self._seeds:
            world = self._world(seed)
            wanted = world.query(exercise.reference)
            try:
                found = world.query(given)
            except PromQLError as error:
                raise NotYet(f"the query can't be evaluated: {error}") from None
            reason = difference(found, wanted, names_count=exercise.names_count)
            if reason:
                raise NotYet(f"in the world of seed {seed}: {reason}")
        return f"the same as the reference in {len(self._seeds)} worlds"

    def _world(self, seed: int) -> Any:
        if seed not in self._worlds:
            self._worlds[seed] = self._make(seed)
        return self._worlds[seed]


def difference(found: Result, wanted: Result, *, names_count: bool = False) -> str:
    """In which way one result is not the other, in words; empty if it is the same."""
    if type(found) is not type(wanted):
        return f"your answer is {_kind(found)}, and {_kind(wanted)} is asked for"
    if isinstance(found, Scalar) and isinstance(wanted, Scalar):
        same = _near(found.value, wanted.value)
        return "" if same else f"your answer is {found.value:g}, it should be {wanted.value:g}"
    if not isinstance(found, InstantVector) or not isinstance(wanted, InstantVector):
        return ""
    ours, theirs = _by_labels(found, names_count), _by_labels(wanted, names_count)
    if ours.keys() == theirs.keys():
        return _values_differ(ours, theirs)
    if not ours:
        return f"your answer is empty ({found.why_empty or 'nothing passes'})"
    return _labels_differ(ours, theirs)


def _values_differ(ours: dict[Labels, float], theirs: dict[Labels, float]) -> str:
    wrong = [labels for labels in theirs if not _near(ours[labels], theirs[labels])]
    if not wrong:
        return ""
    first = wrong[0]
    return (
        f"the labels are right, but {len(wrong)} of {len(theirs)} values are not: "
        f"{_text(first)} is {ours[first]:g}, it should be {theirs[first]:g}"
    )


def _labels_differ(ours: dict[Labels, float], theirs: dict[Labels, float]) -> str:
    names = {name for labels in ours for name, _ in labels}
    wanted = {name for labels in theirs for name, _ in labels}
    told = [f"{len(ours)} series, and there should be {len(theirs)}"]
    if names - wanted:
        told.append(f"no label {', '.join(sorted(names - wanted))} is wanted")
    if wanted - names:
        told.append(f"the label {', '.join(sorted(wanted - names))} is missing")
    if names == wanted:
        extra, missing = ours.keys() - theirs.keys(), theirs.keys() - ours.keys()
        shown = [f"{_text(labels)} is too much" for labels in sorted(extra)[:_SHOWN]]
        shown += [f"{_text(labels)} is missing" for labels in sorted(missing)[:_SHOWN]]
        told += shown
    return "your answer has " + "; ".join(told)


def _by_labels(vector: InstantVector, names_count: bool) -> dict[Labels, float]:
    found = {}
    for labels, value in zip(vector.batch.labels.rows(), vector.values.tolist(), strict=True):
        kept = sorted((n, v) for n, v in labels.items() if v and (names_count or n != "__name__"))
        found[tuple(kept)] = float(value)
    return found


def _text(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{printable(value, 40)}"' for name, value in labels) + "}"


def _near(a: float, b: float) -> bool:
    both_nan = math.isnan(a) and math.isnan(b)
    return both_nan or a == b or math.isclose(a, b, rel_tol=_NEAR, abs_tol=1e-12)


def _kind(result: Result) -> str:
    if isinstance(result, InstantVector):
        return "an instant vector"
    if isinstance(result, RangeVector):
        return "a range vector (rate, or a function ending in _over_time, makes one value of it)"
    return "a scalar (no labels at all)" if isinstance(result, Scalar) else "a text"


class Guess:
    """A number that was written down before looking."""

    def __init__(self, question: str, value: float) -> None:
        self.question, self.value = question, float(value)

    def check(self, truth: Any, within: float = 0.1) -> Verdict:
        """The guess beside what is so: a number, or a result with one value.

        `within` is how far off may be called right, as a share of the truth.
        """
        actual = _one_number(truth)
        off = abs(self.value - actual)
        right = off <= within * abs(actual) or self.value == actual
        words = f"you wrote {self.value:g}, it is {actual:.6g}"
        if not right and actual:
            words += f": {off / abs(actual):.0%} off"
        return Verdict(right, f"{self.question} {words}")

    def __repr__(self) -> str:
        return f"written down: {self.value:g}. Now look."


def predict(question: str, guess: float) -> Guess:
    """Write a guess down, to be held against what is so."""
    return Guess(question, guess)


def _one_number(truth: Any) -> float:
    if isinstance(truth, InstantVector):
        if len(truth) != 1:
            raise PromlabError(f"a guess is held against one value, and here are {len(truth)}")
        return float(truth.values[0])
    return float(truth.value if isinstance(truth, Scalar) else truth)

"""Steps of a course: a check that knows what is wrong, three hints, a reset, a card of progress.

    course = Course("EC2 lab", [Step("Launch", check=launched, hints=("…", "…", "…")), …])
    course.check(1)      # says what is wrong, or that it is right
    course.hint(1)       # the first hint, then the second, then the answer
    course.reset(1)      # back to where the step began
    course               # the card

A check is a function that raises `NotYet` with what is wrong and what to do, or returns a line
that says what was seen. Checks look at what is there, never at how it was typed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

from promlab.errors import PromlabError, ServerError

_DONE, _OPEN = "✓", "·"


class NotYet(PromlabError):
    """A step that is not done: the text says what is wrong, and what to do."""


@dataclass(frozen=True)
class Step:
    """One step. `needs` are numbers of steps without which this one can't be done."""

    title: str
    check: Callable[[], str]
    hints: tuple[str, str, str]
    reset: Callable[[], str] | None = None
    needs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a check says. In a notebook it is a line with a mark, escaped."""

    done: bool
    text: str

    def __bool__(self) -> bool:
        return self.done

    def __repr__(self) -> str:
        return f"{_DONE if self.done else '✗'} {self.text}"

    def _repr_html_(self) -> str:
        word = "done" if self.done else "not yet"
        mark = _DONE if self.done else "✗"
        return f"<p><strong>{mark} {word}:</strong> {escape(self.text)}</p>"


@dataclass
class Course:
    """Steps in their order, numbered from 1."""

    name: str
    steps: Sequence[Step]
    done: set[int] = field(default_factory=set)
    hints_taken: dict[int, int] = field(default_factory=dict)

    def check(self, number: int) -> Verdict:
        """Whether a step is done, and what is missing."""
        step = self._step(number)
        for earlier in step.needs:
            if earlier not in self.done and not self._passes(earlier):
                title = self._step(earlier).title
                return Verdict(False, f"step {earlier} ({title}) comes first: check({earlier})")
        try:
            seen = step.check()
        except PromlabError as error:
            self.done.discard(number)
            return Verdict(False, str(error))
        self.done.add(number)
        return Verdict(True, seen)

    def hint(self, number: int) -> str:
        """The next hint of a step; the third is the answer, and stays."""
        step = self._step(number)
        taken = self.hints_taken.get(number, 0)
        self.hints_taken[number] = min(taken + 1, len(step.hints))
        at = min(taken, len(step.hints) - 1)
        return f"hint {at + 1} of {len(step.hints)}: {step.hints[at]}"

    def reset(self, number: int) -> str:
        """Undo a step, so that it can be done again."""
        step = self._step(number)
        self.done.discard(number)
        self.hints_taken.pop(number, None)
        return step.reset() if step.reset is not None else "there is nothing to undo here"

    def _passes(self, number: int) -> bool:
        try:
            self._step(number).check()
        except PromlabError:
            return False
        self.done.add(number)
        return True

    def _step(self, number: int) -> Step:
        if not 1 <= number <= len(self.steps):
            raise ServerError(f"{self.name} has steps 1 to {len(self.steps)}, and no {number}")
        return self.steps[number - 1]

    def _rows(self) -> list[tuple[str, int, str, str]]:
        rows = []
        for number, step in enumerate(self.steps, 1):
            hints = self.hints_taken.get(number, 0)
            told = f"{hints} hint{'s' if hints != 1 else ''}" if hints else ""
            rows.append((_DONE if number in self.done else _OPEN, number, step.title, told))
        return rows

    def __repr__(self) -> str:
        lines = [f"{self.name}: {len(self.done)} of {len(self.steps)} steps done"]
        lines += [
            f"  {mark} {number}. {title}{f'  ({hints})' if hints else ''}"
            for mark, number, title, hints in self._rows()
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'done' if mark == _DONE else 'open'}</td><td>{number}</td>"
            f"<td style='text-align:left'>{escape(title)}</td><td>{escape(hints)}</td></tr>"
            for mark, number, title, hints in self._rows()
        )
        count = f"{len(self.done)} of {len(self.steps)} steps done"
        return (
            f"<table><caption><strong>{escape(self.name)}</strong>: {count} "
            f"<progress value='{len(self.done)}' max='{len(self.steps)}'></progress></caption>"
            "<thead><tr><th scope='col'>state</th><th scope='col'>step</th>"
            "<th scope='col' style='text-align:left'>what</th>"
            "<th scope='col'>hints</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

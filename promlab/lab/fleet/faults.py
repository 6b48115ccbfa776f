"""Things that go wrong in a fleet, on call."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from promlab.errors import ServerError
from promlab.lab.fleet.programs import Program


class Fleet:
    """The programs by name. Each deed happens at the present moment of the clock."""

    def __init__(self, programs: Mapping[str, Program], begin: Callable[[], None]) -> None:
        self._programs, self._begin = programs, begin
        self.to_drop: dict[str, int] = {}
        self.removed: set[str] = set()

    @property
    def names(self) -> list[str]:
        """Names of all programs."""
        return list(self._programs)

    def restart(self, name: str) -> str:
        """A new process in place of the old one: its counters begin at zero."""
        self._at(name).forget()
        return self._said(name, "restarted: its counters begin at zero")

    def deploy(self, name: str, version: str) -> str:
        """Restart with another version of the program."""
        self._at(name).version = version
        return self.restart(name).replace("restarted", f"runs version {version}")

    def stop(self, name: str) -> str:
        """The process ends: nothing is served, and scrapes are refused."""
        self._at(name).is_running = False
        return self._said(name, "stopped: scrapes will be refused")

    def start(self, name: str) -> str:
        """The process begins again, counting from zero."""
        program = self._at(name)
        if not program.is_running:
            program.is_running = True
            program.forget()
        return self._said(name, "runs")

    def slow(self, name: str, factor: float) -> str:
        """Everything takes `factor` times as long; 1 is as before."""
        if not 0 < factor < 1_000:
            raise ServerError(f"slow: a factor above 0 and below 1000, not {factor:g}")
        self._at(name).slow = factor
        return self._said(name, f"takes {factor:g} times as long")

    def fail(self, name: str, share: float) -> str:
        """This share of the requests fails, from 0 to 1; 0.01 is as before."""
        if not 0 <= share <= 1:
            raise ServerError(f"fail: a share from 0 to 1, not {share:g}")
        self._at(name).failing = share
        return self._said(name, f"fails at {share:.0%} of its requests")

    def drop_scrapes(self, count: int, name: str = "") -> str:
        """The next scrapes of one target, or of each, take too long and are given up."""
        if count < 0:
            raise ServerError(f"drop_scrapes: how many, not {count}")
        chosen = [name] if name else self.names
        for each in chosen:
            self._at(each)
            self.to_drop[each] = count
        return f"the next {count} scrapes of {', '.join(chosen)} will time out"

    def remove(self, name: str) -> str:
        """It is no target any more: discovery has forgotten it."""
        self._at(name)
        self.removed.add(name)
        return self._said(name, "is no target any more")

    def add(self, name: str) -> str:
        """It is a target again."""
        self._at(name)
        self.removed.discard(name)
        return self._said(name, "is a target")

    def _at(self, name: str) -> Program:
        if name not in self._programs:
            near = difflib.get_close_matches(name, self.names, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.names)}"
            raise ServerError(f"there is no {name!r} in the fleet: {known}")
        self._begin()
        return self._programs[name]

    def _said(self, name: str, text: str) -> str:
        return f"{name} {text}"

    def __repr__(self) -> str:
        lines = []
        for name, program in self._programs.items():
            state = "runs" if program.is_running else "stopped"
            notes = [f"zone {program.zone}", f"version {program.version}", state]
            if program.slow != 1:
                notes.append(f"{program.slow:g} times as slow")
            if name in self.removed:
                notes.append("no target")
            lines.append(f"  {name:<10}{', '.join(notes)}")
        return "\n".join(["fleet", *lines])

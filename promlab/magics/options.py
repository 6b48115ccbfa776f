"""Options of `%promql` and `%%promql`, split off without touching the query.

Options lead; from the first word that is not one, the line is PromQL, verbatim: a space in a
label value, a quote or a brace is none of this module's business. `--` ends the options.
"""

from __future__ import annotations

import difflib
import re
import shlex
from typing import NamedTuple

from promlab.client.times import to_duration_ms, to_ms
from promlab.errors import PromlabError

FORMS = ("chart", "table", "polars", "pandas")
OPTIONS = {
    "last": "length of time up to the end, for instance 15m",
    "start": "first time: RFC 3339, seconds since 1970, or now-1h",
    "end": "last time; now by default",
    "at": "one time only: an instant query",
    "step": "time between two points",
    "as": "how to show the result: " + ", ".join(FORMS),
    "live": "how often to refresh the graph, for instance 5s, or off",
    "url": "server to ask, for instance http://localhost:9090",
    "max-points": "points a series, at most",
}
_MAX_POINTS = 11_000
_WORD = re.compile(r"--([A-Za-z][\w-]*)(=)?")
_VALUE = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")
_TARGET = re.compile(r"\s*([A-Za-z_]\w*)\s*<<")


class UsageError(PromlabError):
    """A magic that is not used as it can be; the text says how it can."""


class Options(NamedTuple):
    """What a line asks for; times are still text, checked to be readable."""

    last: str = ""
    start: str = ""
    end: str = ""
    at: str = ""
    step: str = ""
    form: str = ""
    live: str = ""
    url: str = ""
    max_points: int = 0
    target: str = ""  # name of the variable to assign to
    query: str = ""  # what is left of the line, verbatim

    @property
    def is_range(self) -> bool:
        """Whether a stretch of time is asked for."""
        return bool(self.last or self.start or self.end or self.step)


def words_of(line: str, usage: str) -> list[str]:
    """The words of a line, as a shell takes them apart. Raises UsageError."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{str(error).lower()}: {usage}") from None


def split(line: str) -> Options:
    """Options, `name <<`, and the PromQL of a line. Raises UsageError."""
    found: dict[str, str] = {}
    rest = line.lstrip()
    while rest.startswith("--"):
        word = _WORD.match(rest)
        if word is None:
            rest = rest[2:]
            break
        name = word[1]
        if name not in OPTIONS:
            raise UsageError(_unknown(name))
        if name in found:
            raise UsageError(f"--{name} is given twice")
        value = _VALUE.match(rest, word.end())
        if value is None or (not word[2] and rest[word.end() : word.end() + 1] != " "):
            raise UsageError(f"--{name} needs a value: {OPTIONS[name]}")
        found[name] = next(text for text in value.groups() if text is not None)
        rest = rest[value.end() :].lstrip(" \t")
    target = _TARGET.match(rest)
    if target:
        rest = rest[target.end() :]
    return _checked(found, target[1] if target else "", rest)


def options_end(line: str) -> int:
    """Where the leading options of a line end, as far as they are complete."""
    at = len(line) - len(line.lstrip())
    while word := _WORD.match(line, at):
        value = _VALUE.match(line, word.end())
        if value is None or not line[value.end() : value.end() + 1].isspace():
            break
        at = value.end() + len(line[value.end() :]) - len(line[value.end() :].lstrip())
    return at


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.5)
    if near:
        return f"--{name} is no option: did you mean --{near[0]}?"
    known = " ".join(f"--{option}" for option in OPTIONS)
    return f"--{name} is no option; there are {known}. A query that begins so comes after `--`"


def _checked(found: dict[str, str], target: str, query: str) -> Options:
    for name in ("last", "step"):
        _readable(name, found.get(name, ""), is_time=False)
    for name in ("start", "end", "at"):
        _readable(name, found.get(name, ""), is_time=True)
    if found.get("live", "off") != "off":
        _readable("live", found["live"], is_time=False)
    if "at" in found and any(name in found for name in ("last", "start", "end", "step")):
        raise UsageError("--at asks for one time: leave out --last, --start, --end and --step")
    if "last" in found and "start" in found:
        raise UsageError("--last and --start both say where to begin: leave out one of them")
    form = found.get("as", "")
    if form and form not in FORMS:
        near = difflib.get_close_matches(form, FORMS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FORMS)}"
        raise UsageError(f"--as {form} is not known: {hint}")
    points = found.get("max-points", "0")
    if not points.isdecimal() or int(points) > _MAX_POINTS or ("max-points" in found) > int(points):
        raise UsageError(f"--max-points takes a number from 1 to {_MAX_POINTS:,}, not {points}")
    texts = {name: found.get(name, "") for name in ("last", "start", "end", "at", "step")}
    return Options(
        **texts, form=form, live=found.get("live", ""), url=found.get("url", ""),
        max_points=int(points), target=target, query=query,
    )  # fmt: skip


def _readable(name: str, text: str, *, is_time: bool) -> None:
    if not text:
        return
    try:
        to_ms(text) if is_time else to_duration_ms(text)
    except ValueError as error:
        raise UsageError(f"--{name}: {error}") from None

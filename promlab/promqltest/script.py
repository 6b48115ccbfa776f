"""Reads test scripts of PromQL: `clear`, `load`, `eval`, as promqltest writes them.

A script is blocks of lines with empty lines between; the reference is docs/how-to/test-queries.md.
What can't be read is a ScriptError with the line that is to blame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from promlab.errors import PromlabError, ScriptError
from promlab.model.durations import parse_duration_ms
from promlab.model.matchers import compile_regex
from promlab.promql.parser_literals import number
from promlab.promqltest.series import Series, read_series, unquote

T = TypeVar("T")


@dataclass
class Load:
    """Samples to be stored, one each `step_ms` from 0 on."""

    step_ms: int
    with_custom: bool  # make histograms with custom buckets of the classic ones, too
    series: list[Series]


@dataclass
class Expectation:
    """What an `eval` expects beside, or instead of, values."""

    kind: str  # fail, warn, info, no_warn, no_info, ordered, string, range vector
    how: str = ""  # msg, regex or nothing
    text: str = ""


@dataclass
class Eval:
    """A query, and what it has to give."""

    line: int
    query: str
    start_ms: int
    end_ms: int
    step_ms: int  # 0 for an instant query
    expectations: list[Expectation] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    scalar: float | None = None

    def expects(self, *kinds: str) -> bool:
        """Whether there is an expectation of one of these kinds."""
        return any(e.kind in kinds for e in self.expectations)


@dataclass
class Clear:
    """Forget all samples."""


Command = Load | Eval | Clear


def read_script(path: Path) -> list[Command]:
    """The commands of a script. Raises ScriptError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ScriptError(f"can't be read: {reason}", path=str(path)) from None
    commands = []
    for line, block in _blocks(text):
        try:
            commands.append(_command(line, block))
        except ScriptError as error:
            raise ScriptError(error.message, path=str(path), line=error.line or line) from None
        except ValueError as error:
            raise ScriptError(str(error), path=str(path), line=line) from None
    return commands


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    block: list[str] = []
    start = 0
    for place, line in enumerate([*text.split("\n"), ""], 1):
        text = line.strip()
        if not text or text.startswith("#"):
            if block:
                yield start, block
            block = []
            continue
        if not block:
            start = place
            if text.lower() == "clear":  # nothing belongs to it: a line below begins a block
                yield place, [text]
                continue
        block.append(text)


def _command(line: int, block: list[str]) -> Command:
    word, *rest = block[0].split()
    command = word.lower()
    if command == "clear":
        if rest:
            raise ScriptError(f"`clear` takes nothing, not {rest[0]!r}", line=line)
        return Clear()
    if command in ("load", "load_with_nhcb"):
        return _load(line, block, rest, with_custom=command != "load")
    if command.startswith("eval"):
        return _eval(line, block)
    raise ScriptError(f"{word!r} is no command: write clear, load or eval", line=line)


def _load(line: int, block: list[str], steps: list[str], *, with_custom: bool) -> Load:
    if len(steps) != 1:
        raise ScriptError("write `load 1m`: one duration, the step between samples", line=line)
    series: list[Series] = []
    starts: list[int | None] = []
    for at, text in enumerate(block[1:], line + 1):
        if _STARTS.match(text):
            starts = _at(at, read_starts, _STARTS.sub("", text))
            continue
        series.append(_at(at, read_series, text))
        if with_custom and "__name__" not in series[-1].labels:
            raise ScriptError("a classic histogram has a name: write h_bucket{le=...}", line=at)
        series[-1].starts = starts
        starts = []
    return Load(parse_duration_ms(steps[0]), with_custom, series)


def _at(line: int, read: Callable[[str], T], text: str) -> T:
    """What is read of one line; an error says which."""
    try:
        return read(text)
    except ScriptError as error:
        raise ScriptError(error.message, line=line) from None
    except ValueError as error:
        raise ScriptError(str(error), line=line) from None


_STARTS = re.compile(r"^(?:[\w:]*\{.*?\}|[\w:]+)@st(?=\s)")


def read_starts(text: str) -> list[int | None]:
    """`_ -1m -30s-1mx2`: offsets in ms, None for none."""
    found: list[int | None] = []
    for token in text.split():
        gap = re.fullmatch(r"_(?:x(\d+))?", token)
        if gap:
            found += [None] * int(gap[1] or 1)
            continue
        found_one = re.fullmatch(r"([-+]?[\da-z]+?)(?:([-+][\da-z]+?))?(?:x(\d+))?", token)
        if found_one is None:
            raise ScriptError(f"{token!r} is no start time: write -1m, or _ for none")
        first, change, times = found_one.groups()
        value, step = offset_of(first), offset_of(change) if change else 0
        found += [value + i * step for i in range(int(times) + 1 if times else 1)]
    return found


def offset_of(text: str) -> int:
    """ms of a duration with a sign."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    return sign * (0 if re.fullmatch(r"0[a-z]*", digits) else parse_duration_ms(digits))


_INSTANT = re.compile(r"eval(?:_(fail|warn|info|ordered))?\s+instant\s+at\s+(\S+)\s+(.+)")
_RANGE = re.compile(
    r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)"
)
_NUMBER = re.compile(r"[-+]?(\d[\d.eE+_-]*|\.\d[\d.eE+_-]*|0x[\da-f_]+|inf|nan)", re.IGNORECASE)


def _eval(line: int, block: list[str]) -> Eval:
    instant, ranged = _INSTANT.fullmatch(block[0]), _RANGE.fullmatch(block[0])
    if instant:
        kind, when, query = instant.groups()
        found = Eval(line, query, time_ms(when), time_ms(when), 0)
    else:
        if ranged is None:
            raise ScriptError(
                "write `eval instant at 5m QUERY` or `eval range from 0 to 10m step 1m QUERY`",
                line=line,
            )
        kind, start, end, step, query = ranged.groups()
        found = Eval(line, query, time_ms(start), time_ms(end), time_ms(step))
        if found.step_ms <= 0:
            raise ScriptError(f"the step {step} is not above 0", line=line)
        if found.end_ms < found.start_ms:
            raise ScriptError(f"the end {end} is before the start {start}", line=line)
    if kind:
        found.expectations.append(Expectation(kind))
    for at, text in enumerate(block[1:], line + 1):
        _expected(found, at, text)
    return found


def _expected(case: Eval, at: int, text: str) -> None:
    """Add what a line below an `eval` expects."""
    old = re.fullmatch(r"expected_fail_(message|regexp)\s+(.+)", text)
    if old and case.expects("fail"):
        how = {"message": "msg", "regexp": "regex"}[old[1]]
        case.expectations.append(_at(at, expectation, f"expect fail {how}: {old[2]}"))
    elif text.split()[0] == "expect":
        case.expectations.append(_at(at, expectation, text))
    elif _NUMBER.fullmatch(text):
        case.scalar = _at(at, _scalar, text)
    else:
        series = _at(at, read_series, text)
        if not case.step_ms and len(series.values) != 1 and not case.expects("range vector"):
            raise ScriptError("an instant query gives one value a series: write one", line=at)
        case.series.append(series)


def _scalar(text: str) -> float:
    value = number(text.lstrip("+-"))
    return -value if text.startswith("-") else value


_EXPECT = re.compile(
    r"expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg)\s*:(.+))?"
)
_EXPECT_TIMES = re.compile(r"expect\s+range\s+vector\s+(from\s+\S+\s+to\s+\S+\s+step\s+\S+)")


def expectation(text: str) -> Expectation:
    """What a line that begins with `expect` says. Raises ScriptError or ValueError."""
    if found := re.fullmatch(r"expect\s+string\s+(.+)", text):
        return Expectation("string", text=unquote(found[1]))
    if found := _EXPECT_TIMES.fullmatch(text):
        _, start, _, end, _, step = found[1].split()
        if time_ms(end) < time_ms(start) or time_ms(step) <= 0:
            raise ScriptError(f"no times: {found[1]}; the end is after the start, the step above 0")
        return Expectation("range vector", text=found[1])
    if found := _EXPECT.fullmatch(text):
        wanted = Expectation(found[1], found[2] or "", (found[3] or "").strip())
        if wanted.how == "regex":
            _check_pattern(wanted.text)
        return wanted
    raise ScriptError(
        f"{text!r} expects nothing known: write `expect` and ordered, fail, warn, no_warn, info, "
        'no_info (these with `msg: TEXT` or `regex: PATTERN`), string "TEXT" or '
        "range vector from START to END step STEP"
    )


def _check_pattern(text: str) -> None:
    try:
        compile_regex(text)
    except PromlabError as error:
        raise ScriptError(str(error)) from None


def time_ms(text: str) -> int:
    """ms of a time in a script: a duration since 0, or seconds."""
    if text.startswith("-"):
        return -time_ms(text[1:])
    return int(text) * 1000 if text.isdigit() else parse_duration_ms(text)

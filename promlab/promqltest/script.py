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

from promlab.errors import ScriptError
from promlab.model.durations import parse_duration_ms
from promlab.model.samples import STALE_NAN
from promlab.promqltest.histograms import Plain, parse_histogram

T = TypeVar("T")
Labels = dict[str, str]
Value = float | Plain | None  # None: no sample


@dataclass
class Series:
    """Labels, and a value (or none) at each step."""

    labels: Labels
    values: list[Value]
    starts: list[int | None] = field(default_factory=list)  # offsets from each sample's time, ms


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
    for number, line in enumerate([*text.splitlines(), ""], 1):
        text = line.strip()
        if not text or text.startswith("#"):
            if block:
                yield start, block
            block = []
            continue
        if not block:
            start = number
        block.append(text)


def _command(line: int, block: list[str]) -> Command:
    head = block[0]
    if head == "clear":
        return Clear()
    if head.startswith(("load ", "load_with_nhcb ")):
        step_ms = parse_duration_ms(head.split()[1])
        series: list[Series] = []
        starts: list[int | None] = []
        for at, text in enumerate(block[1:], line + 1):
            if _STARTS.match(text):
                starts = _at(at, read_starts, _STARTS.sub("", text))
                continue
            series.append(_at(at, read_series, text))
            series[-1].starts = starts
            starts = []
        return Load(step_ms, head.startswith("load_with_nhcb "), series)
    if head.startswith("eval"):
        return _eval(line, block)
    raise ScriptError(f"{head.split()[0]!r} is no command: write clear, load or eval", line=line)


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


_INSTANT = re.compile(r"eval(_\w+)? instant at (\S+) (.*)")
_RANGE = re.compile(r"eval(_\w+)? range from (\S+) to (\S+) step (\S+) (.*)")


def _eval(line: int, block: list[str]) -> Eval:
    instant, ranged = _INSTANT.match(block[0]), _RANGE.match(block[0])
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
    if kind:
        found.expectations.append(Expectation(kind[1:]))
    for at, text in enumerate(block[1:], line + 1):
        if text.startswith("expect "):
            found.expectations.append(_expectation(text))
        elif re.fullmatch(r"[-+]?(\d[\d.eE+-]*|\.\d+|Inf|NaN)", text):
            found.scalar = float(text)
        else:
            found.series.append(_at(at, read_series, text))
    return found


def _expectation(text: str) -> Expectation:
    rest = text.removeprefix("expect ").strip()
    if rest.startswith("string "):
        return Expectation("string", text=unquote(rest.removeprefix("string ").strip()))
    if rest.startswith("range vector "):
        return Expectation("range vector", text=rest.removeprefix("range vector "))
    kind, _, more = rest.partition(" ")
    how, _, pattern = more.strip().partition(":")
    return Expectation(kind, how.strip(), pattern.strip())


def time_ms(text: str) -> int:
    """ms of a time in a script: a duration since 0, or seconds."""
    if text.startswith("-"):
        return -time_ms(text[1:])
    return int(text) * 1000 if text.isdigit() else parse_duration_ms(text)


def unquote(text: str) -> str:
    """The text of a string in quotes, escapes resolved."""
    if text.startswith("`"):
        return text[1:-1]
    simple = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}

    def escape(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xuU":
            return chr(int(code[1:], 16))
        return chr(int(code, 8)) if code.isdigit() else simple.get(code, code)

    pattern = r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)"
    return re.sub(pattern, escape, text[1:-1])


_STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`'
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_PAIR = re.compile(rf"\s*({_STRING}|[a-zA-Z_][\w.]*)\s*(?:=\s*({_STRING}))?\s*(,|\}})")


def read_series(text: str) -> Series:
    """`name{label="value"} 1 2+1x5 _ stale`. Raises ScriptError."""
    labels, rest = read_labels(text)
    kept = {name: value for name, value in labels.items() if value}
    return Series(kept, read_values(rest))


def read_labels(text: str) -> tuple[Labels, str]:
    """Labels of a series, and the text after them."""
    labels: Labels = {}
    name = _NAME.match(text)
    if name:
        labels["__name__"] = name[0]
        text = text[name.end() :]
    text = text.lstrip()
    if not text.startswith("{") or text.startswith("{{"):
        return labels, text
    text = text[1:].lstrip()
    while not text.startswith("}"):
        pair = _PAIR.match(text)
        if pair is None:
            raise ScriptError(f'not labels: {text!r}; write name{{label="value"}}')
        key = unquote(pair[1]) if pair[1][0] in "\"'`" else pair[1]
        if pair[2] is None:
            labels["__name__"] = key
        else:
            labels[key] = unquote(pair[2])
        text = text[pair.end() :].lstrip()
        if pair[3] == "}":
            return labels, text
    return labels, text[1:]


_NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[iI]nf|[nN]a[nN])"
_TOKEN = re.compile(
    rf"\s*(?:(\{{\{{.*?\}}\}})(?:([+-])(\{{\{{.*?\}}\}}))?(?:x(\d+))?"
    rf"|(_)(?:x(\d+))?|(stale)|({_NUMBER})(?:([-+])({_NUMBER}))?(?:x(\d+))?)(?=\s|$)"
)


def read_values(text: str) -> list[Value]:
    """Values with their repetitions, None for a gap."""
    values: list[Value] = []
    text = text.strip()
    while text:
        token = _TOKEN.match(text)
        if token is None:
            raise ScriptError(f"not a value: {text!r}; write 5, 0+2x10, _x3, stale or {{{{...}}}}")
        histogram, change, by, again, gap, gaps, stale, number, sign, delta, times = token.groups()
        if histogram:
            made = parse_histogram(histogram)
            delta_made = parse_histogram(by) if by else Plain()
            for _ in range(int(again) + 1 if again else 1):
                values.append(made)
                if by:
                    hint = made.hint
                    made = made.plus(delta_made, 1.0 if change == "+" else -1.0)
                    made.hint = hint
        elif gap:
            values += [None] * (int(gaps) if gaps else 1)
        elif stale:
            values.append(STALE_NAN)
        elif times is None:
            values.append(float(number))
        elif delta is None:
            # `4x3` is 4 and three more in a load, as `4+0x3`.
            values += [float(number)] * (int(times) + 1)
        else:
            change = float(delta) * (-1 if sign == "-" else 1)
            value = float(number)
            for _ in range(int(times) + 1):
                values.append(value)
                value += change
        text = text[token.end() :].strip()
    return values

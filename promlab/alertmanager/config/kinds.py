"""Kinds of values that only an alertmanager.yml has: matchers, secret URLs, Go's durations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from promlab.alertmanager.matcher_syntax import MatcherSyntaxError
from promlab.alertmanager.matchers import Mode, is_classic_name, make, parse_all, show
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.secret import Secret
from promlab.model.matchers import Matcher

NO_SECRET = Secret("")
# The syntax of matchers is a feature of the process, not of the file that is being read.
mode: ContextVar[Mode] = ContextVar("matcher syntax", default=Mode.FALLBACK)

_GO_UNITS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
_GO_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


def parse_go_duration(text: str) -> float:
    """Seconds of `1m30s`, `500ms`, `-1.5h`, `0`. Raises ValueError."""
    sign, rest = (-1.0, text[1:]) if text[:1] == "-" else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    if not rest or _GO_PART.sub("", rest):
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * sum(float(n) * _GO_UNITS[unit] for n, unit in _GO_PART.findall(rest))


def format_go_duration(seconds: float) -> str:
    """`1m30s`, `500ms`, `0s`."""
    if seconds == 0:
        return "0s"
    if seconds < 0:
        return "-" + format_go_duration(-seconds)
    if abs(seconds) < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours}h{minutes}m{rest:g}s"
    return f"{minutes}m{rest:g}s" if minutes else f"{rest:g}s"


def _go_duration(at: At) -> float:
    try:
        return parse_go_duration(at.text())
    except ValueError as error:
        at.fail(str(error))


def _timeout(at: At) -> float:
    # A mere number is of nanoseconds: so go-yaml reads a duration.
    return kinds.integer(at) / 1e9 if at.tag == "int" else _go_duration(at)


def _absolute_url(at: At) -> str:
    text = kinds.url(at)
    scheme, _, rest = text.partition("://")
    if scheme not in ("http", "https"):
        at.fail(f"unsupported scheme {text.partition(':')[0]!r} for URL: it must be http or https")
    if not rest.strip("/"):
        at.fail("missing host for URL")
    return text


def _secret_url(at: At) -> Secret:
    text = at.text()
    # A dumped configuration can be loaded again.
    return Secret(text if text == "<secret>" else _absolute_url(at))


def _match(at: At) -> tuple[Matcher, ...]:
    found = []
    for name, (key_at, value_at) in at.entries().items():
        _check_name(name, key_at)
        found.append(make(name, "=", value_at.text()))
    return tuple(found)


def _match_re(at: At) -> tuple[Matcher, ...]:
    found = []
    for name, (key_at, value_at) in at.entries().items():
        _check_name(name, key_at)
        if value_at.is_null:
            value_at.fail(f"invalid regexp value for {name!r}")
        try:
            found.append(make(name, "=~", value_at.text()))
        except MatcherSyntaxError as error:
            value_at.fail(str(error))
    return tuple(found)


def _check_name(name: str, at: At) -> None:
    if not kinds.is_label_name(name, legacy=True):
        at.fail(f"invalid label name {name!r}: other names are for matchers only")


def _matchers(at: At) -> tuple[Matcher, ...]:
    if at.tag == "str":  # one text stands for a list of one, as with go-yaml
        return _parsed(at)
    return tuple(matcher for item in at.items() for matcher in _parsed(item))


def _parsed(at: At) -> tuple[Matcher, ...]:
    try:
        return tuple(parse_all(at.text(), mode.get(), "config"))
    except MatcherSyntaxError as error:
        at.fail(str(error))


def _plain_pairs(found: tuple[Matcher, ...]) -> dict[str, str]:
    return {matcher.name: matcher.value for matcher in found}


def _group_by(at: At) -> tuple[str, ...]:
    found: list[str] = []
    for item in at.items():
        name = item.text()
        classic = mode.get() is Mode.CLASSIC
        if name != "..." and not kinds.is_label_name(name, legacy=classic):
            item.fail(f"invalid label name {name!r} in group_by list")
        if name in found:
            item.fail(f"duplicated label {name!r} in group_by")
        found.append(name)
    if "..." in found and len(found) > 1:
        at.fail("cannot have wildcard group_by (`...`) and other labels at the same time")
    return tuple(found)


def _label_names(at: At) -> tuple[str, ...]:
    names = tuple(item.text() for item in at.items())
    for item, name in zip(at.items(), names, strict=True):
        if not kinds.is_label_name(name, legacy=mode.get() is Mode.CLASSIC):
            item.fail(f"invalid label name {name!r} in equal list")
    return names


def _same(value: Any) -> Any:
    return value


def _open(at: At) -> Any:
    """Any YAML value as Python has it: text, numbers, bools, lists, mappings."""
    match at.tag:
        case "map":
            return {key: _open(value) for key, (_, value) in at.entries().items()}
        case "seq":
            return [_open(item) for item in at.items()]
        case "null":
            return None
        case "bool":
            return kinds.boolean(at)
        case "int":
            return kinds.integer(at)
        case "float":
            return kinds.number(at)
    return at.text()


go_duration: Kind[float] = Kind(_go_duration, format_go_duration, 0.0)
timeout: Kind[float] = Kind(_timeout, format_go_duration, 0.0)
secret_url: Kind[Secret] = Kind(_secret_url, str, NO_SECRET)
absolute_url: Kind[str] = Kind(_absolute_url, kinds.show_url, "", hidden=True)
match: Kind[tuple[Matcher, ...]] = Kind(_match, _plain_pairs, ())
match_re: Kind[tuple[Matcher, ...]] = Kind(_match_re, _plain_pairs, ())
matchers: Kind[tuple[Matcher, ...]] = Kind(_matchers, lambda found: [show(m) for m in found], ())
group_by: Kind[tuple[str, ...] | None] = Kind(_group_by, lambda names: list(names or ()), None)
equal_names: Kind[tuple[str, ...]] = Kind(_label_names, list, ())
anything: Kind[Any] = Kind(_open, _same, None)
open_map: Kind[Mapping[str, Any]] = Kind(
    lambda at: {key: _open(value) for key, (_, value) in at.entries().items()}, dict, {}
)
templates: Kind[Mapping[str, str]] = kinds.map_of(kinds.string, kinds.string)


def maybe_kind(kind: Kind[Any]) -> Kind[Any]:
    """The same kind, with None for what is left out."""
    return Kind(kind.read, kind.write, None, kind.hidden)


def is_classic(name: str) -> bool:
    """Whether the classic syntax could write a label's name."""
    return is_classic_name(name)

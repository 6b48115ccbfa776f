"""The kinds of values that a configuration has: how each is read, checked and printed.

A `Kind` reads a place of the document (`At`) into a Python value, or refuses it there; it
prints such a value back to what YAML can hold; and it says what an explicit `null` means,
which is not always the same as leaving the field out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.model.durations import format_duration_ms, parse_duration_ms

T = TypeVar("T")

# What YAML may hold in a place, as a JSON schema; a class in it stands for its section.
Shape = Mapping[str, Any]
# Every scalar is text to whoever wants text, and `null` is always allowed.
TEXT: Shape = {"type": ["string", "number", "boolean", "null"]}
WHOLE: Shape = {"type": ["integer", "null"]}
_SPAN = "((([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)"
DURATION: Shape = {"anyOf": [{"type": "string", "pattern": f"^({_SPAN}|0)$"}, {"enum": [0, None]}]}


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """How values of one kind are read and printed; `null` is what an explicit null gives.

    `hidden` keeps a value out of a section's repr: a URL may carry a password. `shape` is for
    editors; where it is None, `null` says enough.
    """

    read: Callable[[At], T]
    write: Callable[[T], Any]
    null: T
    hidden: bool = False
    shape: Shape | Callable[[], Shape] | None = None

    def __call__(self, at: At) -> T:
        """Read the value at a place, null included."""
        return self.null if at.is_null else self.read(at)


def _same(value: Any) -> Any:
    return value


def _boolean(at: At) -> bool:
    if at.tag != "bool":
        at.expected("true or false")
    return at.text().lower() in ("true", "yes", "on")


def _integer(at: At) -> int:
    digits = at.text().replace("_", "")
    if at.tag == "int":
        try:
            return int(digits, 8 if re.fullmatch(r"[-+]?0[0-7]+", digits) else 0)
        except ValueError:
            pass
    at.expected("a whole number")


def _unsigned(at: At) -> int:
    number = _integer(at)
    if not 0 <= number < 2**64:
        at.fail("must be a whole number that is not negative")
    return number


# YAML 1.1 wants a point and a sign in `1e30`, Prometheus's reader does not.
_PLAIN_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def _number(at: At) -> float:
    plain = at.tag == "str" and not getattr(at.node, "style", None)
    if at.tag not in ("int", "float") and not (plain and _PLAIN_FLOAT.fullmatch(at.text())):
        at.expected("a number")
    try:
        return float(
            at.text()
            .replace("_", "")
            .lstrip("+")
            .lower()
            .replace(".inf", "inf")
            .replace(".nan", "nan")
        )
    except ValueError:
        at.expected("a number")


def _duration(at: At) -> int:
    try:
        return parse_duration_ms(at.text())
    except ValueError as error:
        at.fail(str(error))


_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)([KMGTPE]i?)?B")
_EXPONENTS = {prefix: 10 * (i + 1) for i, prefix in enumerate("KMGTPE")}


def parse_size(text: str) -> int:
    """Bytes of a size as `format_size` prints it. Raises ValueError."""
    if text == "0":
        return 0
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not a size: write a number and a unit, such as 512MB or 1GiB"
        )
    number, prefix = found.groups()
    size = float(number) * 2 ** (_EXPONENTS[prefix[0]] if prefix else 0)
    if size >= 2**63:
        raise ValueError(f"{text!r} is too large a size")
    return int(size)


def _size(at: At) -> int:
    try:
        return parse_size(at.text())
    except ValueError as error:
        at.fail(str(error))


def format_size(size: int) -> str:
    """The text of a size in bytes: `15728640` is `15MiB`."""
    for prefix, exponent in reversed(_EXPONENTS.items()):
        if size and size % (1 << exponent) == 0:
            return f"{size >> exponent}{prefix}iB"
    return f"{size}B" if size else "0"


def _url(at: At) -> str:
    text = at.text()
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (the property raises for a bad port)
    except ValueError as error:
        at.fail(f"not a URL: {error}")
    if any(ord(char) <= 0x20 or ord(char) == 0x7F for char in text):
        at.fail("not a URL: it has a blank or control character")
    return text


def show_url(text: str) -> str:
    """A URL without the password that it may carry."""
    parts = urlsplit(text)
    if parts.password is None:
        return text
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:xxxxx@{host}").geturl()


def _path(at: At) -> str:
    text = at.text()
    directory = at.directory
    return str(directory / text) if text and directory is not None else text


_LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def is_label_name(text: str, *, legacy: bool = False) -> bool:
    """Whether a label may have this name; `legacy` allows ASCII letters, digits and _ only."""
    if legacy:
        return _LEGACY_LABEL.fullmatch(text) is not None
    # A surrogate is what Python makes of bytes that are not UTF-8.
    return bool(text) and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


def _label_name(at: At) -> str:
    text = at.text()
    if not is_label_name(text):
        at.fail(f"{text!r} is not a valid label name")
    return text


def list_of(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """A list whose elements are of one kind."""

    def read(at: At) -> tuple[T, ...]:
        return tuple(kind(item) for item in at.items())

    shape = {"type": ["array", "null"], "items": kind}
    return Kind(read, lambda values: [kind.write(value) for value in values], (), shape=shape)


def map_of(key: Kind[str], value: Kind[T]) -> Kind[Mapping[str, T]]:
    """A mapping from text to values of one kind."""

    def read(at: At) -> Mapping[str, T]:
        return {key(k): value(v) for k, v in at.entries().values()}

    def write(values: Mapping[str, T]) -> dict[str, Any]:
        return {name: value.write(values[name]) for name in sorted(values)}

    shape = {"type": ["object", "null"], "additionalProperties": value}
    return Kind(read, write, {}, shape=shape)


def one_of(*choices: str, what: str = "") -> Kind[str]:
    """One of a few words; `what` names them in the error."""

    def read(at: At) -> str:
        text = at.text()
        if text not in choices:
            names = ", ".join(choices)
            at.fail(f"unknown {what or 'value'} {text!r}: it must be one of {names}")
        return text

    return Kind(read, _same, "", shape={"enum": [*choices, None]})


def offered(*choices: str) -> Kind[str]:
    """Text, of which a section checks by itself that it is one of these words."""
    return Kind(At.text, _same, "", shape={"enum": [*choices, None]})


def multi_line_free(at: At) -> str:
    """Text that ends up in a header: no line breaks."""
    text = at.text()
    if "\n" in text or "\r" in text:
        at.fail("must not have a line break")
    return text


def _anything(at: At) -> Any:
    if at.tag == "map":
        return {name: anything(value) for name, (_, value) in at.entries().items()}
    if at.tag == "seq":
        return [anything(item) for item in at.items()]
    readers: Mapping[str, Kind[Any]] = {"bool": boolean, "int": integer, "float": number}
    return readers.get(at.tag, string)(at)


string: Kind[str] = Kind(At.text, _same, "", shape=TEXT)
header_value: Kind[str] = Kind(multi_line_free, _same, "", shape=TEXT)
secret: Kind[Secret] = Kind(lambda at: Secret(at.text()), str, Secret(""), shape=TEXT)
# Editors read `yes` as text, Prometheus as true.
boolean: Kind[bool] = Kind(
    _boolean, _same, False, shape={"enum": [True, False, "yes", "no", "on", "off", None]}
)
integer: Kind[int] = Kind(_integer, _same, 0, shape=WHOLE)
unsigned: Kind[int] = Kind(_unsigned, _same, 0, shape={**WHOLE, "minimum": 0})
number: Kind[float] = Kind(
    _number,
    _same,
    0.0,
    shape={"type": ["number", "string", "null"], "pattern": f"^{_PLAIN_FLOAT.pattern}$"},
)
duration: Kind[int] = Kind(_duration, format_duration_ms, 0, shape=DURATION)
size: Kind[int] = Kind(
    _size,
    format_size,
    0,
    shape={"anyOf": [{"type": "string", "pattern": f"^({_SIZE.pattern}|0)$"}, {"enum": [0, None]}]},
)
url: Kind[str] = Kind(_url, show_url, "", hidden=True, shape=TEXT)
path: Kind[str] = Kind(_path, _same, "", shape=TEXT)
label_name: Kind[str] = Kind(_label_name, _same, "", shape=TEXT)
anything: Kind[Any] = Kind(_anything, _same, None, shape={})
strings: Kind[tuple[str, ...]] = list_of(string)
labels: Kind[Mapping[str, str]] = map_of(label_name, string)

"""Values as Go prints them: `print`, `println`, and the verbs of `printf`.

Maps are printed with sorted keys, lists in brackets, structs in braces. A verb that does not
fit its value gives Go's `%!d(string=x)` and no error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from promlab.templating.errors import FunctionError, quote
from promlab.templating.floats import format_float, shortest
from promlab.templating.values import Stringer, Struct, is_number, type_name

_MAX_WIDTH = 1_000_000
_MAX_ELEMENT_WIDTH = 1_000
_MAX_DEPTH = 20


@dataclass(slots=True)
class Verb:
    """One `%` of a format: flags, width and precision (None where there is none)."""

    char: str = "v"
    flags: set[str] = field(default_factory=set)
    width: int | None = None
    precision: int | None = None

    def pad(self, text: str, *, zeros: bool = False) -> str:
        """The text filled up to the width."""
        missing = (self.width or 0) - len(text)
        if missing <= 0:
            return text
        if "-" in self.flags:
            return text + " " * missing
        if zeros and "0" in self.flags:
            sign = text[0] if text[:1] in ("+", "-", " ") else ""
            return sign + "0" * missing + text[len(sign) :]
        return " " * missing + text


def text_of(value: Any) -> str:
    """A value as `print` writes it."""
    return value if isinstance(value, str) else _shown(value, Verb(), 0)


def sprint(values: Sequence[Any]) -> str:
    """All values, with a blank between two of which neither is a string."""
    out: list[str] = []
    for i, value in enumerate(values):
        if i and not isinstance(value, str) and not isinstance(values[i - 1], str):
            out.append(" ")
        out.append(text_of(value))
    return "".join(out)


def sprintln(values: Sequence[Any]) -> str:
    """All values with blanks between, and a line break."""
    return " ".join(map(text_of, values)) + "\n"


def sprintf(layout: str, values: Sequence[Any], limit: int) -> str:
    """The values by a format; raises FunctionError beyond `limit` characters."""
    out: list[str] = []
    size = 0
    for piece in _Format(layout, values).pieces():
        size += len(piece)
        if size > limit:
            raise FunctionError(f"the text is longer than {limit:,} characters")
        out.append(piece)
    return "".join(out)


class _Format:
    """One walk over a format."""

    def __init__(self, layout: str, values: Sequence[Any]) -> None:
        self._layout, self._values = layout, values
        self._at = 0
        self._next = 0
        self._reordered = False

    def pieces(self) -> list[str]:
        out: list[str] = []
        layout = self._layout
        while self._at < len(layout):
            end = layout.find("%", self._at)
            if end < 0:
                end = len(layout)
            out.append(layout[self._at : end])
            self._at = end + 1
            if end < len(layout):
                out.append(self._verb())
        if not self._reordered and self._next < len(self._values):
            extra = (
                "<nil>" if v is None else f"{type_name(v)}={text_of(v)}"
                for v in self._values[self._next :]
            )
            out.append(f"%!(EXTRA {', '.join(extra)})")
        return out

    def _verb(self) -> str:
        verb, layout = Verb(), self._layout
        while layout[self._at : self._at + 1] and layout[self._at] in "+-# 0":
            verb.flags.add(layout[self._at])
            self._at += 1
        bad = self._index()
        verb.width, problem = self._number("WIDTH")
        if verb.width is not None and verb.width < 0:
            verb.flags.add("-")
            verb.width = -verb.width
        if layout[self._at : self._at + 1] == ".":
            self._at += 1
            bad = self._index() or bad
            verb.precision, problem_too = self._number("PREC")
            problem += problem_too
            verb.precision = max(0, verb.precision or 0)
        bad = self._index() or bad
        if self._at >= len(layout):
            return problem + "%!(NOVERB)"
        verb.char = layout[self._at]
        self._at += 1
        if verb.char == "v" and "+" in verb.flags:
            verb.flags = verb.flags - {"+"} | {"names"}
        if verb.char == "%":
            return problem + "%"
        if bad:
            return f"{problem}%!{verb.char}(BADINDEX)"
        if self._next >= len(self._values):
            return f"{problem}%!{verb.char}(MISSING)"
        self._next += 1
        return problem + _shown(self._values[self._next - 1], verb, 0)

    def _index(self) -> bool:
        """Read `[n]`; True if it names no value."""
        layout = self._layout
        if layout[self._at : self._at + 1] != "[":
            return False
        self._reordered = True
        end = layout.find("]", self._at)
        digits = layout[self._at + 1 : end] if end > 0 else ""
        self._at = end + 1 if end > 0 else self._at + 1
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 7:
            return True
        if not 1 <= int(digits) <= len(self._values):
            return True
        self._next = int(digits) - 1
        return False

    def _number(self, what: str) -> tuple[int | None, str]:
        layout, start = self._layout, self._at
        if layout[start : start + 1] == "*":
            self._at += 1
            found = self._values[self._next] if self._next < len(self._values) else None
            self._next += 1
            if not isinstance(found, int) or isinstance(found, bool) or abs(found) > _MAX_WIDTH:
                return None, f"%!(BAD{what})"
            return found, ""
        while layout[self._at : self._at + 1].isdecimal() and layout[self._at].isascii():
            self._at += 1
        digits = layout[start : self._at]
        if not digits:
            return None, ""
        if len(digits) > 7 or int(digits) > _MAX_WIDTH:
            return None, f"%!(BAD{what})"
        return int(digits), ""


def _shown(value: Any, verb: Verb, depth: int) -> str:
    """A value by a verb."""
    if verb.char == "T":
        return verb.pad(type_name(value))
    if value is None:
        return verb.pad("<nil>") if verb.char == "v" else f"%!{verb.char}(<nil>)"
    if isinstance(value, Stringer) and verb.char in "vsqxX":
        value = value.go_string()
    shower = _shower(value)
    shown = shower(value, verb, depth) if shower else None
    if shown is None:
        plain = Verb("v", verb.flags, verb.width, verb.precision)
        return f"%!{verb.char}({type_name(value)}={_shown(value, plain, depth)})"
    return shown


def _shower(value: Any) -> Callable[[Any, Verb, int], str | None] | None:
    if isinstance(value, bool):
        return _bool
    if isinstance(value, int):
        return _int
    if isinstance(value, float):
        return _float
    if isinstance(value, str):
        return _string
    if isinstance(value, (dict, list, tuple, Struct)):
        return _composite
    return None


def _bool(value: bool, verb: Verb, _depth: int) -> str | None:
    return verb.pad("true" if value else "false") if verb.char in "tv" else None


def _int(value: int, verb: Verb, _depth: int) -> str | None:
    match verb.char:
        case "d" | "v":
            digits = str(abs(value))
        case "b" | "o" | "x" | "X":
            digits = format(abs(value), verb.char)
            if "#" in verb.flags:
                digits = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}[verb.char] + digits
        case "O":
            digits = f"0o{abs(value):o}"
        case "c":
            return verb.pad(_rune(value))
        case "q":
            return verb.pad(_quoted_rune(_rune(value)))
        case "U":
            return verb.pad(f"U+{value:04X}" if value >= 0 else f"U+{value + 2**64:04X}")
        case _:
            return None
    if verb.precision is not None:
        digits = "" if verb.precision == 0 and value == 0 else digits.zfill(verb.precision)
    return verb.pad(_signed(value < 0, digits, verb), zeros=verb.precision is None)


def _signed(negative: bool, digits: str, verb: Verb) -> str:
    if negative:
        return f"-{digits}"
    if "+" in verb.flags:
        return f"+{digits}"
    return f" {digits}" if " " in verb.flags else digits


def _rune(value: int) -> str:
    valid = 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000
    return chr(value) if valid else "�"


def _quoted_rune(char: str) -> str:
    if char == "'":
        return "'\\''"
    return f"""'{char if char == '"' else quote(char)[1:-1]}'"""


def _float(value: float, verb: Verb, _depth: int) -> str | None:
    char = verb.char.lower()
    if char in "xX":
        text = _hex(value)
    elif char in "efgv" and verb.char != "V":
        fewest = -1 if char in "gv" else 6
        precision = fewest if verb.precision is None else verb.precision
        text = format_float(value, "g" if char == "v" else char, precision)
    else:
        return None
    if verb.char in "EGX":
        text = text.replace("e", "E").replace("x", "X").replace("p", "P")
    special = text.lstrip("+-") in ("Inf", "NaN")
    negative = text.startswith("-")
    if special and not negative and "+" not in verb.flags and text == "+Inf":
        return verb.pad("+Inf")
    return verb.pad(_signed(negative, text.lstrip("+-"), verb), zeros=not special)


def _hex(value: float) -> str:
    text = value.hex()
    if "x" not in text:
        return shortest(value)
    digits, _, power = text.partition("p")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return f"{digits}p{int(power):+03d}"


def _string(value: str, verb: Verb, _depth: int) -> str | None:
    if verb.char not in "svqxX":
        return None
    if verb.char in "xX":
        raw = value.encode()
        raw = raw if verb.precision is None else raw[: verb.precision]
        return verb.pad(raw.hex(" ") if " " in verb.flags else format_hex(raw, verb.char))
    text = value if verb.precision is None else value[: verb.precision]
    if verb.char == "q":
        raw_quoted = "#" in verb.flags and "`" not in text and text.isprintable()
        text = f"`{text}`" if raw_quoted else quote(text)
    elif verb.char == "v" and "#" in verb.flags:
        text = quote(text)
    return verb.pad(text, zeros=True)


def format_hex(raw: bytes, char: str) -> str:
    """Bytes in hexadecimal digits, small for `x` and large for `X`."""
    return raw.hex().upper() if char == "X" else raw.hex()


def _composite(value: Any, verb: Verb, depth: int) -> str | None:
    if depth > _MAX_DEPTH:
        return "..."
    if (verb.width or 0) > _MAX_ELEMENT_WIDTH:
        raise FunctionError(f"a list or map is printed with a width above {_MAX_ELEMENT_WIDTH:,}")
    if isinstance(value, dict):
        pairs = (
            f"{_shown(key, verb, depth)}:{_shown(value[key], verb, depth + 1)}"
            for key in sorted_keys(value)
        )
        return f"map[{' '.join(pairs)}]"
    if isinstance(value, Struct):
        fields = value.template_fields()
        named = "names" in verb.flags
        shown = (
            f"{name}:{_shown(fields[name], verb, depth + 1)}" if named
            else _shown(fields[name], verb, depth + 1)
            for name in fields
        )  # fmt: skip
        return f"{{{' '.join(shown)}}}"
    return f"[{' '.join(_shown(each, verb, depth + 1) for each in value)}]"


def sorted_keys(value: dict[Any, Any]) -> list[Any]:
    """Keys in Go's order: numbers before text, each by size."""
    return sorted(value, key=lambda key: (not is_number(key), key if is_number(key) else str(key)))

"""JSONPath, as the file of modules has it: texts with expressions in braces.

`{.values[0].id}` starts at the document where it has no `$`. Patterns of `match` and `search`
are RE2: no document and no pattern makes them slow. Templates beyond expressions (`{range}`)
are refused.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from promlab.errors import ConfigError, ScrapeError
from promlab.model.matchers import BadRegex, compile_regex

_BRACES = re.compile(r"""\{((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^{}"'])*)\}""")
_KEYWORDS = ("range", "end")


class Path:
    """One expression."""

    def __init__(self, text: str) -> None:
        """Compile it. Raises ConfigError."""
        import jsonpath

        bare = text.strip()
        if bare.split(" ")[0] in _KEYWORDS:
            raise ConfigError(f"{{{bare}}} is not supported: write an expression")
        bare = "$" + bare.removeprefix("@") if bare.startswith((".", "[", "@")) else bare
        self._query = "$" if bare == "$." else bare
        try:
            self._compiled = _environment().compile(self._query)
        except (jsonpath.JSONPathError, RecursionError) as error:
            raise ConfigError(f"{text.strip()!r} is no JSONPath: {_reason(error)}") from None

    def find(self, document: Any) -> list[Any]:
        """What it finds, in order. Raises ScrapeError where it goes too deep."""
        import jsonpath

        try:
            return list(self._compiled.findall(document))
        except (jsonpath.JSONPathError, RecursionError) as error:
            raise ScrapeError(f"{self._query!r} can't be evaluated: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """What an error says, in one line; the place of some is where no text is, and can't be said."""
    try:
        text = str(error)
    except ValueError:
        text = str(error.args[0]) if error.args else ""
    return (text.splitlines() or [type(error).__name__])[0]


class Template:
    """A text with expressions in it."""

    def __init__(self, text: str) -> None:
        """Compile it. Raises ConfigError."""
        pieces = _BRACES.split(text)
        if any("{" in literal or "}" in literal for literal in pieces[::2]):
            raise ConfigError(f"a brace in {text!r} has no other")
        self._pieces = [Path(p) if i % 2 else p for i, p in enumerate(pieces)]

    def render(self, document: Any, null: str = "") -> str:
        """The text for a document; an expression that finds nothing leaves nothing."""
        return "".join(
            piece
            if isinstance(piece, str)
            else " ".join(null if v is None else shown(v) for v in piece.find(document))
            for piece in self._pieces
        )


def path_of(text: str) -> Path:
    """The expression that a text is, in braces or without. Raises ConfigError."""
    inside = _BRACES.fullmatch(text.strip())
    return Path(inside[1] if inside else text)


def shown(value: Any) -> str:
    """A value of a document as a label has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@cache
def _environment() -> Any:
    """JSONPath of RFC 9535, with patterns of RE2."""
    try:
        import jsonpath
        from jsonpath.function_extensions import ExpressionType, FilterFunction
    except ImportError:
        raise ConfigError(
            "the JSON exporter needs python-jsonpath: pip install 'promlab[exporters]'"
        ) from None

    class Pattern(FilterFunction):
        arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 (the library's)
        return_type = ExpressionType.LOGICAL

        def __init__(self, whole: bool) -> None:
            self._whole = whole

        def __call__(self, value: Any, pattern: Any) -> bool:
            if not isinstance(value, str) or not isinstance(pattern, str):
                return False
            try:
                compiled = compile_regex(pattern)
            except BadRegex:
                return False  # as the standard has it
            found = compiled.fullmatch(value) if self._whole else compiled.search(value)
            return found is not None

    environment = jsonpath.JSONPathEnvironment(strict=True)
    environment.function_extensions["match"] = Pattern(whole=True)
    environment.function_extensions["search"] = Pattern(whole=False)
    return environment

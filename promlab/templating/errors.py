"""Errors of templates, in Go's words, and the limits that templates run under."""

from __future__ import annotations

from dataclasses import dataclass

from promlab.errors import PromlabError


class TemplateError(PromlabError):
    """A template that does not parse or cannot be executed.

    `name` is the template, `line` is 1-based, `column` counts bytes from 0 (None for an error
    of parsing, which has a line only). The text is the one that Go would give.
    """

    def __init__(
        self,
        message: str,
        *,
        name: str = "",
        line: int = 0,
        column: int | None = None,
        executing: str = "",
        context: str = "",
    ) -> None:
        self.message, self.name, self.line, self.column = message, name, line, column
        where = f"{name}:{line}" if line else name
        if column is not None:
            where += f":{column}: executing {quote(executing)} at <{context}>"
        super().__init__(f"template: {where}: {message}")


class TemplateSyntaxError(TemplateError):
    """A template that does not parse."""


class TemplateLimit(TemplateError):
    """A template that takes more steps, time, depth or output than it may."""


class FunctionError(PromlabError):
    """What a template function raises: the evaluation adds which function, and where."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one execution may use; beyond it ends in TemplateLimit.

    `max_output` bounds the output and every single string, in characters; `max_depth` the
    nesting of blocks, parentheses and templates together; `max_steps` nodes evaluated.
    """

    max_output: int = 1 << 20
    max_steps: int = 1_000_000
    max_depth: int = 100
    time_s: float = 10.0


DEFAULT_LIMITS = Limits()


def quote(text: str) -> str:
    """A string as Go's %q writes it."""
    out = ['"']
    for char in text:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif char == " " or char.isprintable():
            out.append(char)
        elif ord(char) < 0x80:
            out.append(f"\\x{ord(char):02x}")
        elif ord(char) < 0x10000:
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append(f"\\U{ord(char):08x}")
    out.append('"')
    return "".join(out)


_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f",
    "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip

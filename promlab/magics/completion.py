"""Completion of PromQL in `%promql` lines and `%%promql` cells.

The place decides what fits: promlab.promql.complete says which kinds of words (metrics,
functions, labels, values, durations), the server's index says which words. Python's own names
are suppressed there. At most 100 are offered: those that begin so, then those that hold it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from IPython.core.completer import SimpleCompletion, context_matcher

from promlab.client import Client
from promlab.client.tables import quoted
from promlab.magics.connection import Cache, Connection
from promlab.magics.options import FORMS, OPTIONS, options_end
from promlab.magics.promlab_magic import VERBS
from promlab.model.labels import METRIC_NAME

if TYPE_CHECKING:
    from promlab.promql.complete import Completion

MAX_SHOWN = 100
_MAGIC = re.compile(r"^\s*(?:\w+(?:\s*,\s*\w+)*\s*=\s*)?%(promql)\b[ \t]*")
_CELL = re.compile(r"^\s*%%promql\b[ \t]*")
_VERB = re.compile(r"^\s*%promlab\s+(\S*)$")
_OPTION = re.compile(r"(?:^|\s)(--[\w-]*)$")
_VALUE = re.compile(r"(?:^|\s)--(as|live|last|step)[ =](\S*)$")
_METRIC = re.compile(r"[A-Za-z_:][\w:]*\Z", re.ASCII)
_LABEL = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_OPTION_VALUES = {
    "as": FORMS,
    "live": ("5s", "15s", "1m", "off"),
    "last": ("5m", "15m", "1h", "6h", "1d"),
    "step": ("5s", "15s", "1m", "5m"),
}


class Spot(NamedTuple):
    """Where the cursor is: on the options, or at an offset of a query."""

    head: str  # the magic's own line up to the cursor; empty when inside the query
    query: str
    offset: int


def spot(text: str, cursor: int) -> Spot | None:
    """The PromQL around the cursor of a cell's text; None in Python."""
    cell = _CELL.match(text)
    if cell:
        line_end = text.find("\n")
        if line_end < 0 or cursor <= line_end:
            return _on_line(
                text[cell.end() : line_end if line_end >= 0 else None], cursor - cell.end()
            )
        return Spot("", text[line_end + 1 :], cursor - line_end - 1)
    start = text.rfind("\n", 0, cursor) + 1
    stop = text.find("\n", cursor)
    line = text[start : stop if stop >= 0 else len(text)]
    found = _MAGIC.match(line)
    if not found or cursor - start < found.end():
        return None
    return _on_line(line[found.end() :], cursor - start - found.end())


def _on_line(rest: str, at: int) -> Spot:
    """The place on the magic's own line, of which `rest` follows its name."""
    skipped = options_end(rest)
    if at < skipped or rest[skipped:].startswith("--"):
        return Spot(rest[:at], "", 0)
    return Spot("", rest[skipped:], at - skipped)


class Completer:
    """A matcher for IPython's completer."""

    def __init__(self, connection: Connection, cache: Cache) -> None:
        self._connection, self._cache = connection, cache
        self._matcher: Any = None

    def install(self, shell: Any) -> None:
        """Let the shell's completer ask this one first."""

        @context_matcher(priority=1000)  # type: ignore[untyped-decorator]  # no stubs read here
        def promlab_matcher(context: Any) -> dict[str, Any]:
            return self._answer(context)

        self._matcher = promlab_matcher
        shell.Completer.custom_matchers.append(promlab_matcher)

    def remove(self, shell: Any) -> None:
        """Take it back."""
        if self._matcher in shell.Completer.custom_matchers:
            shell.Completer.custom_matchers.remove(self._matcher)

    def matches(self, text: str, cursor: int) -> tuple[str, list[tuple[str, str]]] | None:
        """The text to be replaced and (word, kind) for it; None outside PromQL."""
        verb = _VERB.match(text[text.rfind("\n", 0, cursor) + 1 : cursor])
        if verb:
            return verb[1], _fitting(verb[1], [(name, "keyword") for name in VERBS])
        place = spot(text, cursor)
        if place is None:
            return None
        option = _OPTION.search(place.head)
        if option:
            words = [(f"--{name}", "option") for name in OPTIONS]
            return option[1], _fitting(option[1], words)
        value = _VALUE.search(place.head)
        if value:
            words = [(word, "value") for word in _OPTION_VALUES[value[1]]]
            return value[2], _fitting(value[2], words)
        return self._in_query(place.query, place.offset)

    def _answer(self, context: Any) -> dict[str, Any]:
        text = context.full_text
        lines = text.split("\n")
        cursor = sum(len(line) + 1 for line in lines[: context.cursor_line])
        found = self.matches(text, cursor + context.cursor_position)
        if found is None:
            return {"completions": [], "suppress": False}
        fragment, words = found
        shown = [SimpleCompletion(text=word, type=kind) for word, kind in words]
        return {
            "completions": shown,
            "suppress": True,
            "matched_fragment": fragment,
            "ordered": True,
        }

    def _in_query(self, query: str, offset: int) -> tuple[str, list[tuple[str, str]]]:
        from promlab.promql.complete import complete

        found = complete(query, offset)
        words = [(word.text, word.kind.value) for word in found.words]
        client = self._connection.existing()
        if client is not None:
            words += self._from_server(client, found)
        return found.prefix, _fitting(found.prefix, words)

    def _from_server(self, client: Client, found: Completion) -> list[tuple[str, str]]:
        """What the server's index has for this place, as text that is legal PromQL there."""
        from promlab.promql.complete import Kind

        words: list[tuple[str, str]] = []
        quote = found.quote
        if Kind.METRIC in found.kinds:
            names = self._ask(client, "metrics", lambda: client.label_values(METRIC_NAME))
            words += [(name, "metric") for name in names if quote or _METRIC.match(name)]
        if Kind.LABEL_NAME in found.kinds:
            labels = self._ask(client, f"labels {found.metric}", lambda: client.labels(_of(found)))
            hidden = {METRIC_NAME}
            words += [
                (name if quote or _LABEL.match(name) else quoted(name), "label")
                for name in labels
                if name not in hidden
            ]
        if Kind.LABEL_VALUE in found.kinds and found.label:
            values = self._ask(
                client,
                f"values {found.metric} {found.label}",
                lambda: client.label_values(found.label, _of(found)),
            )
            words += [(_in_quotes(value, quote), "value") for value in values]
        return words

    def _ask(self, client: Client, what: str, ask: Callable[[], list[str]]) -> list[str]:
        answer: list[str] = self._cache.get((client.url, what), ask, [])
        return answer


def _of(found: Completion) -> tuple[str, ...]:
    """The selector of the metric whose labels are asked for; none where it is unknown."""
    return (f"{{{METRIC_NAME}={quoted(found.metric)}}}",) if found.metric else ()


def _in_quotes(value: str, quote: str) -> str:
    """A label value for a quote that is open, or with quotes of its own."""
    if not quote:
        return quoted(value)
    inside = quoted(value)[1:-1]
    return inside.replace('\\"', '"').replace("'", "\\'") if quote == "'" else inside


def _fitting(prefix: str, words: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """At most 100 words: those that begin with the prefix, then those that hold it."""
    low = prefix.lower()
    first = [word for word in words if word[0].lower().startswith(low)]
    if len(first) < MAX_SHOWN:
        known = set(first)
        first += [word for word in words if low in word[0].lower() and word not in known]
    return list(dict.fromkeys(first))[:MAX_SHOWN]

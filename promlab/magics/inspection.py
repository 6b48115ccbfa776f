"""Shift-Tab on PromQL: what a function does and expects, what a metric measures.

IPython knows Python's names only and would explain `sum` wrongly, so the kernel's own
`do_inspect` is wrapped while the extension is loaded; Python cells reach it untouched.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from promlab.client.tables import printable
from promlab.errors import PromlabError
from promlab.magics.completion import spot
from promlab.magics.connection import Cache, Connection
from promlab.magics.kernel_hooks import KernelHook

_NAME = re.compile(r"[A-Za-z_:][\w:]*")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|&~-])")


class Inspector:
    """Wraps one kernel's `do_inspect`."""

    def __init__(self, connection: Connection, cache: Cache) -> None:
        self._connection, self._cache = connection, cache
        self._hook: KernelHook | None = None

    def install(self, shell: Any) -> None:
        """Answer for PromQL; where there is no kernel (a terminal), do nothing."""
        kernel = getattr(shell, "kernel", None)
        if kernel is not None:
            self._hook = KernelHook(kernel, "do_inspect", self._wrapped)

    def remove(self) -> None:
        """Give the kernel its own method back."""
        if self._hook is not None:
            self._hook.remove()

    def _wrapped(self, below: Callable[..., Any]) -> Callable[..., Any]:
        async def do_inspect(
            code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()
        ) -> Any:
            text = self.help_at(code, cursor_pos)
            if text is None:
                found = below(code, cursor_pos, detail_level, omit_sections)
                return await found if inspect.isawaitable(found) else found
            data = {"text/plain": text.replace("\\", ""), "text/markdown": text} if text else {}
            return {"status": "ok", "found": bool(text), "data": data, "metadata": {}}

        return do_inspect

    def help_at(self, text: str, cursor: int) -> str | None:
        """Markdown about the word at the cursor; empty if unknown, None outside PromQL."""
        from promlab.promql.complete import docs_at

        place = spot(text, cursor)
        if place is None or place.head:
            return None
        word = word_at(place.query, place.offset)
        about_metric = self._metric(word) if word and not docs_at(word, 0) else ""
        return about_metric or docs_at(place.query, place.offset)

    def _metric(self, name: str) -> str:
        client = self._connection.existing()
        if client is None:
            return ""
        try:
            return str(
                self._cache.get((client.url, "help", name), lambda: describe(client, name), "")
            )
        except PromlabError:
            return ""


def describe(client: Any, name: str) -> str:
    """Type, help, unit and number of series of a metric, as Markdown with nothing active in it."""
    from promlab.magics.promlab_magic import family

    described = client.metadata(name).get(name) or client.metadata(family(name)).get(family(name))
    series = len(client.series(name, "now-5m"))
    if not described and not series:
        return ""
    first = (described or [{}])[0]
    unit = f", unit {_inert(first['unit'])}" if first.get("unit") else ""
    lines = [
        f"**{_inert(name)}** ({_inert(first.get('type') or 'unknown type')}{unit})",
        _inert(printable(first.get("help", ""), 500)),
        f"{series:,} series in the last five minutes",
    ]
    return "\n\n".join(line for line in lines if line)


def word_at(text: str, offset: int) -> str:
    """The name that the offset lies in or at the end of."""
    for found in _NAME.finditer(text):
        if found.start() <= offset <= found.end():
            return found[0]
    return ""


def _inert(text: str) -> str:
    """HELP texts are untrusted: nothing in them is Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", text)

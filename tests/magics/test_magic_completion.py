"""Completion and help in PromQL, against a real Prometheus; Python is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from promlab.magics.completion import MAX_SHOWN, Completer, spot
from promlab.magics.connection import Cache, Connection
from promlab.magics.inspection import Inspector, describe

pytestmark = pytest.mark.peers


@pytest.fixture
def connection(prometheus: str) -> Iterator[Connection]:
    made = Connection()
    made.use(prometheus)
    yield made
    made.close()


def words(connection: Connection, text: str) -> list[str]:
    """Completions at the bar in `text`."""
    at = text.index("|")
    found = Completer(connection, Cache(wait_s=30)).matches(text.replace("|", ""), at)
    assert found is not None
    return [word for word, _ in found[1]]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("%%promql\nsum(node_cpu_s|", "node_cpu_seconds_total"),
        ("%%promql --last 5m\nrat|", "rate"),
        ('%%promql\nnode_cpu_seconds_total{mode="i|', "idle"),
        ("%%promql\nnode_cpu_seconds_total{mo|", "mode"),
        ("%%promql\nsum by (mo|) (node_cpu_seconds_total)", "mode"),
        ("%promql node_lo|", "node_load1"),
        ("x = %promql --last 5m node_lo|", "node_load1"),
        ("%%promql --la|", "--last"),
        ("%promql --as |", "chart"),
        ("%promql --as ta|", "table"),
        ("%promlab sta|", "status"),
    ],
)
def test_what_fits_is_offered(connection: Connection, text: str, word: str) -> None:
    assert word in words(connection, text)


def test_what_does_not_fit_is_not(connection: Connection) -> None:
    assert "rate" not in words(connection, '%%promql\nnode_cpu_seconds_total{mode="|')
    assert len(words(connection, "%%promql\n|")) == MAX_SHOWN


@pytest.mark.parametrize("text", ["x = 1", "prin", "%timeit x", "print('%%promql')"])
def test_python_is_left_alone(text: str) -> None:
    assert spot(text, len(text)) is None


def test_the_shell_suppresses_pythons_names(connection: Connection) -> None:
    shell = InteractiveShell()
    completer = Completer(connection, Cache(wait_s=30))
    completer.install(shell)
    text = "%%promql\nsum(node_cpu_gu"
    with provisionalcompleter():
        shown = {found.text for found in shell.Completer.completions(text, len(text))}
        python = {found.text for found in shell.Completer.completions("zi", 2)}
    assert shown == {"node_cpu_guest_seconds_total"}
    assert "zip" in python
    completer.remove(shell)


class Kernel:
    """A kernel with the one method that is wrapped."""

    def do_inspect(self, code: str, cursor_pos: int, detail_level: int, omit: Any) -> Any:
        return {"found": True, "data": {"text/plain": "python"}}


def test_help(connection: Connection) -> None:
    kernel = Kernel()
    inspector = Inspector(connection, Cache(wait_s=30))
    inspector.install(SimpleNamespace(kernel=kernel))

    def shown(text: str) -> str:
        at = text.index("|")
        found = asyncio.run(kernel.do_inspect(text.replace("|", ""), at))  # type: ignore[call-arg]
        return str(found["data"].get("text/markdown") or found["data"]["text/plain"])

    assert "sum" in shown("%%promql\nsu|m(up)")
    assert "python" not in shown("%%promql\nsu|m(up)")
    assert "counter" in shown("%%promql\nsum(node_cpu_seconds|_total)")
    assert shown("su|m(x)") == "python"
    inspector.remove()
    assert "do_inspect" not in vars(kernel)


def test_help_texts_are_inert() -> None:
    client = SimpleNamespace(
        metadata=lambda name: {name: [{"type": "gauge", "help": "<img src=x> [a](b) `c`"}]},
        series=lambda *_: [{}],
    )
    text = describe(client, "m")
    assert "<img" not in text.replace("\\<", "")
    assert "\\[a\\]\\(b\\)" in text

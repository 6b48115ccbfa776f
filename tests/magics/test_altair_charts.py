"""Altair's charts in a shell: shown with our own renderer, and imported by nobody before."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter

from promlab.magics import altair as ours

alt = pytest.importorskip("altair")


@pytest.fixture
def shell() -> Iterator[Any]:
    made = SimpleNamespace(display_formatter=DisplayFormatter())
    before = alt.renderers.active
    alt.renderers.enable("default")
    ours.show_offline(made)
    yield made
    alt.renderers.enable(before)


def shown(shell: Any) -> dict[str, Any]:
    chart = alt.Chart(alt.InlineData([{"x": 1}])).mark_point()
    bundle = shell.display_formatter.mimebundle_formatter(chart)
    return dict(bundle[0] if isinstance(bundle, tuple) else bundle)


def test_a_chart_is_a_widget_of_ours_and_asks_nobody_elsewhere(shell: Any) -> None:
    bundle = shown(shell)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["image/svg+xml"].startswith("<svg")
    assert "cdn." not in str(bundle)


def test_a_renderer_that_the_reader_chose_stays(shell: Any) -> None:
    alt.renderers.enable("mimetype")
    assert set(shown(shell)) == {"application/vnd.vegalite.v6.json", "text/plain"}


def test_it_is_taken_back(shell: Any) -> None:
    shown(shell)
    ours.show_as_usual(shell)
    formatter = shell.display_formatter.mimebundle_formatter
    assert formatter.type_printers == {}
    assert not any("altair" in str(key) for key in formatter.deferred_printers)

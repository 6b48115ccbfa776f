"""The magics in a shell, against a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import polars as pl
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from promlab.client import Client, InstantVector, RangeVector
from promlab.errors import PromQLSyntaxError, QueryError
from promlab.magics import load_ipython_extension, unload_ipython_extension
from promlab.magics.no_data import why_empty
from promlab.magics.options import UsageError

pytestmark = pytest.mark.peers


@pytest.fixture
def shell(prometheus: str) -> Iterator[InteractiveShell]:
    made = InteractiveShell.instance()
    load_ipython_extension(made)
    made.run_line_magic("promlab", f"use {prometheus}")
    yield made
    unload_ipython_extension(made)
    InteractiveShell.clear_instance()


def cell(shell: InteractiveShell, text: str, line: str = "") -> list[dict[str, str]]:
    with capture_output() as captured:
        shell.run_cell_magic("promql", line, text)
    return [output.data for output in captured.outputs]


def run(shell: InteractiveShell, code: str) -> Any:
    done = shell.run_cell(code, store_history=False)
    done.raise_error()
    return done.result


def test_line_gives_the_result_object_back(shell: InteractiveShell) -> None:
    found = shell.run_line_magic("promql", "up")
    assert isinstance(found, InstantVector)
    over_time = shell.run_line_magic("promql", "--last 10s --step 1s up")
    assert isinstance(over_time, RangeVector)
    assert over_time.step_ms == 1000


def test_braces_and_dollars_are_not_pythons(shell: InteractiveShell) -> None:
    shell.user_ns["job"] = "HELLO"
    with capture_output():
        found = run(shell, '%promql up{job="node"}')
    assert [series.labels["job"] for series in found.series] == ["node"]
    with capture_output():
        assert len(run(shell, "r = %promql up{job={{job}}}\nr")) == 0


def test_frames(shell: InteractiveShell) -> None:
    assert isinstance(shell.run_line_magic("promql", "--as polars up"), pl.DataFrame)
    assert isinstance(shell.run_line_magic("promql", "--as pandas up"), pd.DataFrame)
    shell.run_line_magic("config", "PromQLMagic.result = 'polars'")
    assert isinstance(shell.run_line_magic("promql", "up"), pl.DataFrame)


def test_assignment(shell: InteractiveShell) -> None:
    assert shell.run_line_magic("promql", "x << up") is None
    assert isinstance(shell.user_ns["x"], InstantVector)
    assert cell(shell, "up", "--as polars frame <<")
    assert isinstance(shell.user_ns["frame"], pl.DataFrame)


def test_cell_draws_the_last_quarter_of_an_hour(shell: InteractiveShell) -> None:
    (shown,) = cell(shell, "# what is up?\nup")
    assert shown["image/svg+xml"].startswith("<svg")
    found = shell.user_ns["_"]
    assert isinstance(found, RangeVector)
    assert found.step_ms == 1000  # the interval of the scrapes


def test_cell_as_table_and_silent_cell(shell: InteractiveShell) -> None:
    (shown,) = cell(shell, "up", "--as table")
    assert "<table>" in shown["text/html"]
    assert isinstance(shell.user_ns["_"], InstantVector)
    assert cell(shell, "up;") == []


def test_a_query_may_begin_on_the_magics_line(shell: InteractiveShell) -> None:
    (shown,) = cell(shell, "(up)", "--at now sum by (job)")
    assert 'job="node"' in shown["text/plain"]


def test_scalars_strings_and_range_vectors_in_a_cell(shell: InteractiveShell) -> None:
    assert "scalar" in cell(shell, "1 + 1", "--at now")[0]["text/plain"]
    assert "string" in cell(shell, '"x"')[0]["text/plain"]
    assert "image/svg+xml" in cell(shell, "up[5s]")[0]


def test_errors(shell: InteractiveShell) -> None:
    with pytest.raises(PromQLSyntaxError) as caught:
        cell(shell, "sum(\n  rate(up)\n)")
    assert "rate(up)" in caught.value.caret()
    assert "^" in "\n".join(caught.value._render_traceback_())
    with pytest.raises(PromQLSyntaxError, match="line 2 starts a second one"):
        cell(shell, "up\nup")
    with pytest.raises(QueryError, match="many-to-many"):
        cell(shell, "up * on () up")
    with pytest.raises(UsageError, match="there is no query"):
        cell(shell, "# nothing")
    with pytest.raises(UsageError, match="did you mean targets"):
        shell.run_line_magic("promlab", "target")


def test_no_traceback_is_shown(shell: InteractiveShell) -> None:
    with capture_output() as captured:
        shell.run_cell("%promql sum(", store_history=False)
    assert "PromQLSyntaxError" in captured.stdout
    assert "Traceback" not in captured.stdout
    assert ".py" not in captured.stdout


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("node_cpu_second_total", "did you mean node_cpu_seconds_total"),
        ("quite_unknown_zzz", "there is no metric 'quite_unknown_zzz'"),
        ('up{job="nod"}', 'job="nod" leaves nothing: job is node'),
        ('up{zone="a"}', "no label 'zone'"),
        ("up > 5", "a comparison, a filter or a join leaves none"),
        ("rate(up[1ms])", "[1ms] holds fewer: up has one every 1s. Write [4s] or longer"),
        ("sum(rate(up[1ms] offset 1s))", "rate needs two samples"),
        ("rate(up[1m]) > 1000", "a comparison or a join leaves nothing"),
    ],
)
def test_why_there_is_no_data(shell: InteractiveShell, query: str, reason: str) -> None:
    assert reason in shell.run_line_magic("promql", query).why_empty


def test_samples_older_than_the_lookback(prometheus: str) -> None:
    import time

    later = int(time.time() * 1000) + 400_000
    assert "a sample counts for 5m" in why_empty(Client(prometheus), "up", later)


def test_verbs(shell: InteractiveShell) -> None:
    metrics = shell.run_line_magic("promlab", "metrics node_cpu_*")
    assert "node_cpu_seconds_total" in repr(metrics)
    assert "counter" in metrics._repr_html_()
    assert "instance" in repr(shell.run_line_magic("promlab", "labels up"))
    assert "__name__" in repr(shell.run_line_magic("promlab", "labels"))
    assert len(shell.run_line_magic("promlab", "targets")) == 2
    assert "storageRetention" in repr(shell.run_line_magic("promlab", "status"))
    assert repr(shell.run_line_magic("promlab", "open")).startswith("http://127.0.0.1")
    assert shell.run_line_magic("promlab", "logs") is None


def test_help_lists_every_option(shell: InteractiveShell) -> None:
    from promlab.magics.options import OPTIONS
    from promlab.magics.promlab_magic import VERBS

    text = shell.find_line_magic("promql").__doc__ or ""
    assert all(f"--{name}" in text for name in OPTIONS)
    text = shell.find_line_magic("promlab").__doc__ or ""
    assert all(verb in text for verb in VERBS)


def test_unloading_takes_everything_back(prometheus: str) -> None:
    shell = InteractiveShell()
    before = len(shell.Completer.custom_matchers)
    load_ipython_extension(shell)
    assert shell.find_cell_magic("promql")
    unload_ipython_extension(shell)
    assert shell.find_cell_magic("promql") is None
    assert shell.find_line_magic("promlab") is None
    assert len(shell.Completer.custom_matchers) == before

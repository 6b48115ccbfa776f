"""`%%prometheus` and `%%ssh`: what they take, and what they say when they can't."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import promlab
from promlab.client import Client
from promlab.errors import ConfigError, NotRunning
from promlab.lab.ec2 import cloud as clouds
from promlab.magics import load_ipython_extension, unload_ipython_extension
from promlab.magics.options import UsageError


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    made = InteractiveShell.instance()
    load_ipython_extension(made)
    yield made
    unload_ipython_extension(made)
    InteractiveShell.clear_instance()


class FakeSession:
    code = 3

    def run(self, script: str) -> Iterator[str]:
        yield "ran: "
        yield script


class FakeCloud:
    alive = True

    def shell(self, instance: str, key: str | None) -> Any:
        assert (instance, key) == ("i-1", "k.pem")
        return FakeSession()


def test_ssh_prints_what_comes_and_the_exit_code(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "_opened", FakeCloud())
    shell.user_ns["web"] = "i-1"
    with capture_output() as captured:
        shell.run_cell_magic("ssh", "web --key k.pem", "ls {x} $HOME\n")
    assert captured.stdout == "ran: ls {x} $HOME\n[exit code 3]\n"


@pytest.mark.parametrize("line", ["", "a b", "a --key", "--fast a", 'a "b'])
def test_ssh_says_how_it_is_used(shell: InteractiveShell, line: str) -> None:
    with pytest.raises(UsageError, match="%%ssh INSTANCE"):
        shell.run_cell_magic("ssh", line, "ls")


def test_ssh_needs_a_cloud(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, "_opened", None)
    with pytest.raises(NotRunning, match=r"promlab.lab.ec2.open\(\)"):
        shell.run_cell_magic("ssh", "i-1", "ls")


def test_prometheus_needs_a_lab(shell: InteractiveShell) -> None:
    with pytest.raises(UsageError, match=r"promlab.start\(\)"):
        shell.run_cell_magic("prometheus", "", "global: {}\n")
    with pytest.raises(UsageError, match="%%prometheus INSTANCE"):
        shell.run_cell_magic("prometheus", "a b", "global: {}\n")


@pytest.mark.slow
def test_prometheus_applies_the_cell(shell: InteractiveShell) -> None:
    with promlab.start("global: {scrape_interval: 1s}\n", quiet=True) as lab:
        with capture_output() as captured:
            shell.run_cell_magic("prometheus", "", "global: {scrape_interval: 3s}\n")
        assert captured.stdout == f"applied: {lab.url} runs on this configuration\n"
        assert "scrape_interval: 3s" in lab.client.status("config")["yaml"]
        with pytest.raises(ConfigError, match="1:10"):
            shell.run_cell_magic("prometheus", "", "global: {scrap_interval: 3s}\n")


def test_unloading_takes_all_magics_away(shell: InteractiveShell) -> None:
    names = ["promql", "prometheus", "ssh"]
    assert all(shell.find_cell_magic(name) for name in names)
    unload_ipython_extension(shell)
    assert not any(shell.find_cell_magic(name) for name in names)
    load_ipython_extension(shell)


def test_use_takes_a_variable(shell: InteractiveShell) -> None:
    shell.user_ns["server"] = Client("127.0.0.1:9")
    assert repr(shell.run_line_magic("promlab", "use server")) == "http://127.0.0.1:9/"


def test_a_simulated_lab_is_asked_at_its_own_time(shell: InteractiveShell) -> None:
    lab = promlab.lab.simulate(seed=1)
    lab.advance("10m")
    shell.user_ns["world"] = lab
    try:
        shell.run_line_magic("promlab", "use world")
        now = shell.run_line_magic("promql", "up")
        assert set(now.batch.t_ms.tolist()) == {lab.now_ms}
        window = shell.run_line_magic("promql", "--last 5m --step 1m up")
        assert window.batch.t_ms.max() == lab.now_ms
        with capture_output() as captured:
            shell.run_cell_magic("promql", "--as table", "nothing_like_this")
        assert "there is no metric" in str([shown.data for shown in captured.outputs])
        assert "queue_jobs_waiting" in repr(shell.run_line_magic("promlab", "metrics queue*"))
    finally:
        lab.close()

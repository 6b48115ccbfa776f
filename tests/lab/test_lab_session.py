"""Labs: a real server, started, asked, refused and stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from notebook_server import free_port, has_samples, until

import promlab
from promlab.client import RangeVector
from promlab.errors import AddressInUse, ConfigError, DirectoryLocked, NotRunning, ServerError
from promlab.lab import session, setup
from promlab.lab.card import TargetTable, browser_url, html_card, text_card
from promlab.lab.session import Lab

pytestmark = pytest.mark.slow

EMPTY = "global:\n  scrape_interval: 1s\n"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with promlab.start(quiet=True) as made:
        yield made.ready()


@pytest.fixture
def others() -> Iterator[None]:
    """Stops whatever a test has started beside the module's lab."""
    yield
    for name in [name for name in session._labs if name != "default"]:
        session._labs[name].stop()


def test_default_lab_watches_itself_and_the_machine(lab: Lab) -> None:
    until(lambda: has_samples(lab.client, "up == 1", 2))
    assert {target["labels"]["job"] for target in lab.targets()} == {"prometheus", "node"}
    assert has_samples(lab.client, 'node_cpu_seconds_total{mode="idle"}')
    assert isinstance(lab.query_range("up", "now-1m"), RangeVector)


def test_starting_again_gives_the_same_lab(lab: Lab) -> None:
    assert promlab.start() is lab
    assert promlab.start(port=lab.port) is lab
    with pytest.raises(ServerError, match="with another configuration"):
        promlab.start(EMPTY)
    with pytest.raises(ServerError, match="another port"):
        promlab.start(port=1)
    with pytest.raises(ServerError, match="another data folder"):
        promlab.start(data="elsewhere")


def test_card(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    until(lambda: "2 up, 0 down" in text_card(lab))
    assert lab.url in repr(lab)
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/a/")
    assert f'href="/user/a/proxy/{lab.port}/"' in html_card(lab)
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX")
    assert browser_url(lab.url) == f"{lab.url}/"


def test_card_escapes() -> None:
    table = TargetTable([{"labels": {"job": "<b>"}, "lastError": "<script>"}])
    assert "<script>" not in table._repr_html_()
    assert "&lt;b&gt;" in table._repr_html_()


def test_logs(lab: Lab) -> None:
    assert "Listening" in repr(lab.logs())


def test_configuration_as_dict_text_and_path(tmp_path: Path, others: None) -> None:
    as_dict = {"global": {"scrape_interval": "1s"}}
    first = promlab.start(as_dict, name="dict", quiet=True)
    assert promlab.start(dict(as_dict), name="dict") is first
    path = tmp_path / "prometheus.yml"
    path.write_text(EMPTY)
    second = promlab.start(path, name="path", data=tmp_path / "data", quiet=True)
    assert promlab.start(str(path), name="path") is second
    assert first.port != second.port


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("global:\n  scrape_intervall: 1s\n", "scrape_intervall"),
        ("global: [\n", "prometheus.yml:"),
        ("/nowhere/prometheus.yml", "cannot be read"),
    ],
)
def test_a_bad_configuration_is_refused_at_once(config: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        promlab.start(config, name="bad", quiet=True)
    assert session.running("bad") is None


def test_a_port_that_is_taken() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(AddressInUse):
            promlab.start(EMPTY, name="port", port=holder.getsockname()[1], quiet=True)


def test_a_data_folder_that_is_in_use(tmp_path: Path, others: None) -> None:
    promlab.start(EMPTY, name="one", data=tmp_path, quiet=True).ready()
    with pytest.raises(DirectoryLocked):
        promlab.start(EMPTY, name="two", data=tmp_path, quiet=True).ready()


def test_a_server_that_died_says_what_of(others: None) -> None:
    made = promlab.start(EMPTY, name="dead", quiet=True, flags=["--no-such-flag"])
    with pytest.raises(NotRunning, match="no-such-flag"):
        made.ready()
    assert "not running" in repr(made)


def test_stopping_ends_processes_and_removes_data(others: None) -> None:
    made = promlab.start(name="brief", quiet=True)
    pids, folder = [child.pid for child in made._children], made._folder
    assert folder.is_dir()
    made.stop()
    made.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not folder.exists()
    with pytest.raises(NotRunning, match="was stopped"):
        made.query("up")


def test_folders_of_killed_interpreters_are_swept() -> None:
    command = [sys.executable, "-c", "import os; print(os.getpid())"]
    pid = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    left = Path(tempfile.mkdtemp(prefix=f"promlab-lab-{pid}-"))
    own = setup.temporary_folder()
    assert not left.exists()
    assert own.exists()
    own.rmdir()
    assert str(os.getpid()) in own.name


def test_free_ports_are_free() -> None:
    assert setup.choose_port(free_port()) > 0


class TestApply:
    def test_a_new_configuration_is_at_work_when_apply_returns(self, others: None) -> None:
        lab = promlab.start(EMPTY, name="applied", quiet=True)
        job = f"scrape_configs:\n- job_name: me\n  static_configs: [targets: ['{lab.url[7:]}']]\n"
        assert lab.apply(EMPTY + job) is lab
        until(lambda: has_samples(lab.client, 'up{job="me"}'))
        assert {target["labels"]["job"] for target in lab.targets()} == {"me"}
        lab.apply({"global": {"scrape_interval": "2s"}})
        assert list(lab.targets()) == []

    def test_a_bad_one_is_told_with_its_line_and_changes_nothing(self, others: None) -> None:
        lab = promlab.start(EMPTY, name="refusing", quiet=True)
        before = lab.config_path.read_text()
        with pytest.raises(ConfigError, match=r"2:3: global\.scrap_interval"):
            lab.apply("global:\n  scrap_interval: 1s\n")
        assert lab.config_path.read_text() == before

    def test_a_file_of_the_users_own_is_not_written(self, others: None, tmp_path: Path) -> None:
        file = tmp_path / "prometheus.yml"
        file.write_text(EMPTY)
        lab = promlab.start(file, name="yours", quiet=True)
        with pytest.raises(ConfigError, match="a file of your own"):
            lab.apply(EMPTY)
        job = f"scrape_configs:\n- job_name: me\n  static_configs: [targets: ['{lab.url[7:]}']]\n"
        file.write_text(EMPTY + job)
        lab.reload()
        assert len(list(lab.targets())) == 1
        file.write_text("global: []\n")
        with pytest.raises(ConfigError):
            lab.reload()

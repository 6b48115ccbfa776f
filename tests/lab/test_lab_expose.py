"""Exposing a kernel's metrics: a real lab scrapes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
import yaml
from notebook_server import has_samples, until
from prometheus_client import CollectorRegistry, Counter, Gauge

import promlab
from promlab.errors import ConfigError
from promlab.lab import expose as exposing
from promlab.lab import setup


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    for exposed in list(exposing._exposed.values()):
        exposed.close()


def read(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_a_registry_is_served_at_one_address(registry: CollectorRegistry) -> None:
    Counter("cells_run", "Cells.", registry=registry).inc(2)
    first = promlab.expose(registry=registry)
    assert "cells_run_total 2\n" in read(first.url)
    other = CollectorRegistry()
    Gauge("other", "Another.", registry=other).set(1)
    again = promlab.expose(registry=other, interval="2s")
    assert again is first
    assert "cells_run" not in read(first.url)
    assert "other 1" in first.text()
    named = promlab.expose(registry=registry, name="batch")
    assert named.url != first.url
    assert "promlab.start() will scrape it" in repr(named)
    first.close()
    first.close()
    assert promlab.expose(registry=registry) is not first


def test_the_default_registry() -> None:
    with promlab.expose() as exposed:
        assert "python_info{" in read(exposed.url)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": "often"}, "interval: not a valid duration"),
        ({"interval": 0.001}, "shorter than 100ms"),
        ({"registry": 3}, "registry: not a prometheus_client registry, but int"),
        ({"name": ""}, "must not be empty"),
        ({"source": object()}, "object is no table"),
        ({"source": pl.DataFrame({"a": ["x"]})}, "no column of numbers"),
        ({"source": pl.DataFrame({"a": [1, 2]})}, "the same labels"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        promlab.expose(**options)


def test_a_frame_and_a_function_that_gives_one() -> None:
    table = pd.DataFrame({"city": ["Bern", "Chur"], "temperature": [1.5, 2.5], "n": [1, None]})
    with promlab.expose(table, name="weather") as exposed:
        assert 'temperature{city="Chur"} 2.5\n' in exposed.text()
        assert 'n{city="Chur"}' not in read(exposed.url)
        table.loc[0, "temperature"] = -3.0
        assert 'temperature{city="Bern"} -3\n' in read(exposed.url)
        made = [pl.DataFrame({"runs_total": [3]})]
        promlab.expose(lambda: made[-1], name="weather")
        assert "# TYPE runs_total counter\nruns_total 3\n" in read(exposed.url)
        made.append(pl.DataFrame({"runs_total": [4]}))
        assert "runs_total 4\n" in read(exposed.url)


@pytest.mark.slow
def test_a_counter_is_on_a_graph_in_the_next_cell(registry: CollectorRegistry) -> None:
    counter = Counter("early", "Before the lab.", registry=registry)
    counter.inc(3)
    before = promlab.expose(registry=registry, name="before")
    with promlab.start(name="exposed", quiet=True) as lab:
        lab.ready()
        late = CollectorRegistry()
        Counter("late", "After the lab.", registry=late).inc(4)
        after = promlab.expose(registry=late, name='of "the kernel"\n', interval=1)
        until(lambda: has_samples(lab.client, "early_total == 3"))
        until(lambda: has_samples(lab.client, "late_total == 4"))
        labels = {t["labels"]["job"]: t["labels"]["instance"] for t in lab.targets()}
        assert labels['of "the kernel"\n'] == after.address
        assert labels["before"] == before.address
        assert "scraped every 1s" in repr(before)
        wait = promlab.NativeHistogram("wait_seconds", "Waiting.", registry=late, bucket_factor=2)
        wait.observe(1.5)
        until(lambda: has_samples(lab.client, "histogram_count(wait_seconds) == 1"))
        counter.inc()
        until(lambda: has_samples(lab.client, "early_total == 4"))
        after.close()
        until(lambda: not has_samples(lab.client, "late_total"))


@pytest.mark.slow
def test_a_lab_with_a_configuration_of_its_own(tmp_path: Path, registry: CollectorRegistry) -> None:
    Gauge("made", "Made.", registry=registry).set(1)
    with promlab.start("{global: {scrape_interval: 7s}}\n", name="own", quiet=True) as lab:
        exposed = promlab.expose(registry=registry)
        lab.ready()
        until(lambda: has_samples(lab.client, "made"))
    path = tmp_path / "prometheus.yml"
    path.write_text("global: {scrape_interval: 7s}\n")
    with promlab.start(path, name="file", quiet=True):
        assert path.read_text() == "global: {scrape_interval: 7s}\n"
        assert "add this address to its scrape_configs" in repr(exposed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "global:\n  scrape_interval: 1s\n",
        "{global: {scrape_interval: 1s}}",
        "scrape_config_files: [a.yml]\n",
        "scrape_config_files:\n",
        "---\nglobal: {}\n...\n",
    ],
)
def test_any_configuration_gets_the_job(text: str, tmp_path: Path) -> None:
    document = yaml.safe_load(setup.with_exposed(text, tmp_path))
    assert document["scrape_config_files"][-1] == str(tmp_path / "exposed.yml")
    wanted = yaml.safe_load(text) or {}
    assert document | {"scrape_config_files": 0} == wanted | {"scrape_config_files": 0}
    job, gateways = yaml.safe_load((tmp_path / "exposed.yml").read_text())["scrape_configs"]
    assert gateways["honor_labels"] is True
    assert job["file_sd_configs"][0]["files"] == [str(tmp_path / "targets" / "*.json")]


def test_kernels_beside_the_lab_and_those_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: CollectorRegistry
) -> None:
    monkeypatch.setenv(exposing.TARGETS_ENV, str(tmp_path))
    command = [sys.executable, "-c", "import os; print(os.getpid())"]
    pid = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    gone = tmp_path / f"{pid}-61.json"
    gone.write_text("[]")
    exposed = promlab.expose(registry=registry)
    assert not gone.exists()
    (path,) = tmp_path.glob("*.json")
    assert path.name.startswith(f"{os.getpid()}-")
    (group,) = json.loads(path.read_text())
    assert group["targets"] == [exposed.address]
    assert group["labels"]["__scrape_interval__"] == "1s"
    exposed.close()
    assert not path.exists()


@pytest.mark.slow
def test_a_gateway_is_scraped_with_the_labels_of_its_jobs(registry: CollectorRegistry) -> None:
    Gauge("rows", "Rows.", registry=registry).set(5)
    with (
        promlab.lab.pushgateway(name="first") as first,
        promlab.start(name="pushed", quiet=True) as lab,
        promlab.lab.pushgateway(name="second") as second,
    ):
        assert promlab.lab.pushgateway(name="first") is first
        first.push(registry, "load", table="users")
        second.push(registry, "load", table="orders")
        assert first.groups()[0]["labels"] == {"job": "load", "table": "users"}
        lab.ready()
        for table in ("users", "orders"):
            until(
                lambda table=table: has_samples(lab.client, f'rows{{job="load",table="{table}"}}')
            )
        second.stop()
        assert "stopped" in repr(second)
        assert first.url in first._repr_html_()
    assert not first.alive


def test_a_configuration_that_the_server_showed_can_be_given_back(tmp_path: Path) -> None:
    text = "scrape_configs:\n  - job_name: a\n"
    once = setup.with_exposed(text, tmp_path)
    own, kept = str(tmp_path / "exposed.yml"), "/elsewhere/promlab-lab-1-abc/exposed.yml"
    shown = yaml.safe_load(once)
    assert shown["scrape_config_files"] == [own]
    shown["scrape_config_files"] += ["mine.yml", kept, "exposed.yml"]
    again = yaml.safe_load(setup.with_exposed(yaml.safe_dump(shown), tmp_path))
    assert again["scrape_config_files"] == ["mine.yml", "exposed.yml", own]

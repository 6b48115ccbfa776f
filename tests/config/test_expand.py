"""`${VAR}` in a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from promlab.config import load, load_text
from promlab.errors import ConfigError

ENVIRONMENT = {
    "HOST": "db:9100",
    "EVERY": "7s",
    "LIMIT": "12",
    "EVIL": "x\nscrape_configs: []",
    "E": "",
}


def test_values_are_expanded_and_keep_their_types() -> None:
    config = load_text(
        "global:\n  scrape_interval: '${EVERY}'\n  sample_limit: ${LIMIT}\n"
        "scrape_configs:\n- job_name: a${E}b\n  metrics_path: /${NONE:-metrics}\n"
        "  static_configs: [{targets: ['${HOST}', 'x$${HOST}']}]\n",
        environment=ENVIRONMENT,
    )
    (job,) = config.jobs
    assert job.job_name == "ab"
    assert job.metrics_path == "/metrics"
    assert job.scrape_interval_ms == 7000
    assert config.global_.limits.sample_limit == 12
    assert job.discovery.static_configs[0].targets == ("db:9100", "x${HOST}")


def test_a_value_can_not_add_fields() -> None:
    config = load_text("scrape_configs:\n- job_name: ${EVIL}\n", environment=ENVIRONMENT)
    assert [job.job_name for job in config.jobs] == ["x\nscrape_configs: []"]


def test_groups_of_regular_expressions_are_no_variables() -> None:
    config = load_text(
        "scrape_configs:\n- job_name: a\n  relabel_configs:\n"
        "  - {source_labels: [x], regex: '(?P<port>.+)', target_label: y, "
        "replacement: '${port}${1}'}\n",
        environment=ENVIRONMENT,
    )
    assert config.jobs[0].relabel_configs[0].replacement == "${port}${1}"


def test_what_is_not_set_is_refused_with_its_place() -> None:
    with pytest.raises(
        ConfigError, match=r"p.yml:2:13: .*the environment variable NONE is not set"
    ):
        load_text("scrape_configs:\n- job_name: ${NONE}\n", "p.yml", environment=ENVIRONMENT)


def test_nothing_is_expanded_unless_asked_for() -> None:
    config = load_text("scrape_configs:\n- job_name: ${HOST}\n")
    assert config.jobs[0].job_name == "${HOST}"


def test_imported_files_are_expanded_too(tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text("scrape_configs:\n- job_name: ${EVERY}\n")
    (tmp_path / "p.yml").write_text("scrape_config_files: [more.yml]\n")
    config = load(tmp_path / "p.yml", environment=ENVIRONMENT)
    assert [job.job_name for job in config.jobs] == ["7s"]


def test_aliases_are_expanded_once() -> None:
    config = load_text(
        "scrape_configs:\n- job_name: a\n  metrics_path: &p '/$${HOST}'\n"
        "- job_name: b\n  metrics_path: *p\n",
        environment=ENVIRONMENT,
    )
    assert [job.metrics_path for job in config.jobs] == ["/${HOST}", "/${HOST}"]

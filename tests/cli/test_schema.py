"""Schemas for editors: what the readers take is never marked, what can't be is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from promlab.alertmanager.config import load as load_alertmanager
from promlab.cli import main
from promlab.cli.check.schema import SCHEMAS, schema
from promlab.config import load, load_text
from promlab.config.mechanisms import SECTIONS, section_of
from promlab.config.rules import Checks, load_rule_text
from promlab.config.web import load_web
from promlab.errors import ConfigError, PromlabError
from scripts.schemas import place

READ: dict[str, Callable[[Path], object]] = {
    "prometheus": lambda path: load(path, supported_only=False),
    "rules": lambda path: load_rule_text(
        path.read_text(), path, Checks(lambda _: None, lambda *_: None)
    ),
    "web": load_web,
    "alertmanager": load_alertmanager,
}
FOLDERS = {"prometheus": "config", "rules": "rules", "alertmanager": "alertmanager/config"}


@pytest.fixture(scope="module")
def marks() -> Callable[[str, object], list[str]]:
    validators = {name: Draft7Validator(schema(name)) for name in SCHEMAS}

    def marked(name: str, document: object) -> list[str]:
        return [error.message for error in validators[name].iter_errors(document)]

    return marked


def first(path: Path) -> object:
    """The first document of a file, which is the one that counts."""
    return next(yaml.safe_load_all(path.read_text()), None)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_valid_and_up_to_date(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Draft7Validator.check_schema(schema(name))
    assert main(["check", "schema", name]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["title"] == SCHEMAS[name][1]
    assert place(name).read_text() == printed, "write them anew: python -m scripts.schemas"


@pytest.mark.parametrize("name", FOLDERS)
def test_files_that_are_read_are_not_marked(name: str, shared: Path, marks: Any) -> None:
    taken = refused = 0
    for path in sorted((shared / "contract" / FOLDERS[name]).rglob("*.y*ml")):
        try:
            READ[name](path)
        except PromlabError as error:
            refused += 1
            # What stands in the wrong place is marked; what is wrong between fields is not.
            if str(error).rpartition(": ")[2].startswith(("unknown field", "expected ")):
                assert marks(name, first(path)), path
            continue
        taken += 1
        assert marks(name, first(path)) == [], path
    assert taken > 5
    assert refused > 1


JOB = {"job_name": "a"}
WRONG = {
    "an unknown field": ("prometheus", {"scrape_configs": [{**JOB, "interval": "1s"}]}),
    "an unknown section": ("prometheus", {"scrap_configs": []}),
    "no name": ("prometheus", {"scrape_configs": [{"scrape_interval": "1s"}]}),
    "a number without a unit": ("prometheus", {"global": {"scrape_interval": 15}}),
    "no duration": ("prometheus", {"global": {"scrape_interval": "1 s"}}),
    "a list for a mapping": ("prometheus", {"global": []}),
    "text for a list": ("prometheus", {"scrape_configs": "a"}),
    "an empty job": ("prometheus", {"scrape_configs": [None]}),
    "an unknown action": ("prometheus", {"scrape_configs": [
        {**JOB, "relabel_configs": [{"action": "rename"}]}]}),
    "an unknown role": ("prometheus", {"scrape_configs": [
        {**JOB, "kubernetes_sd_configs": [{"role": "vacation"}]}]}),
    "a port too high": ("prometheus", {"scrape_configs": [
        {**JOB, "ec2_sd_configs": [{"port": 70_000}]}]}),
    "protocols twice": ("prometheus", {"global": {"scrape_protocols": ["PrometheusProto"] * 2}}),
    "a size without a unit": ("prometheus", {"global": {"body_size_limit": 100}}),
    "text for true": ("prometheus", {"scrape_configs": [{**JOB, "honor_labels": "maybe"}]}),
    "a rule's field": ("rules", {"groups": [{"name": "a", "rules": [{"rcord": "x"}]}]}),
    "no duration of a rule": ("rules", {"groups": [{"name": "a", "rules": [{"for": "soon"}]}]}),
    "an unknown client auth": ("web", {"tls_server_config": {"client_auth_type": "maybe"}}),
    "a route's field": ("alertmanager", {"route": {"receivr": "a"}}),
    "a route below a route": ("alertmanager", {"route": {"routes": [{"receivr": "a"}]}}),
    "a test's field": ("tests", {"tests": [{"intervall": "1m"}]}),
    "an unknown probe": ("blackbox", {"modules": {"a": {"prober": "http", "htp": {}}}}),
    "a metric's type": ("json", {"modules": {"a": {"metrics": [{"name": "x", "type": "t"}]}}}),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_can_not_be_is_marked(what: str, tmp_path: Path, marks: Any) -> None:
    name, document = WRONG[what]
    assert marks(name, document)
    if name in READ:
        path = tmp_path / "f.yml"
        path.write_text(yaml.safe_dump(document))
        with pytest.raises(ConfigError):
            READ[name](path)


RIGHT = {
    "nothing": ("prometheus", None),
    "an action in capitals": ("prometheus", {"scrape_configs": [
        {**JOB, "relabel_configs": [{"action": "KEEP", "regex": 5}]}]}),
    "numbers as labels": ("prometheus", {"global": {"external_labels": {"a": 1, "b": True}}}),
    "yes": ("prometheus", {"scrape_configs": [{**JOB, "honor_labels": "yes"}]}),
    "nothing in sections": ("prometheus", {"global": None, "alerting": None, "rule_files": None}),
    "no groups": ("rules", {"groups": None}),
    "blackbox's texts": ("blackbox", {"modules": {"a": {"prober": "http", "timeout": "5s",
        "http": {"headers": {"X": 1}}}}}),
}  # fmt: skip


@pytest.mark.parametrize("what", RIGHT)
def test_what_may_be_is_not_marked(what: str, marks: Any) -> None:
    assert marks(*RIGHT[what]) == []


@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_what_a_mechanism_needs_is_needed(name: str, marks: Any) -> None:
    config = {"scrape_configs": [{**JOB, f"{name}_sd_configs": [{}]}]}
    found = section_of(name).required
    assert bool(marks("prometheus", config)) == bool(found)
    if found:
        with pytest.raises(ConfigError):
            load_text(yaml.safe_dump(config))

"""Templates of alerts, expanded by promlab and by the real Prometheus.

One server evaluates one rule file with an alert for each text, and its API tells what became
of them. What does not parse is asked of promtool.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from template_cases import BAD, CASES, LABELS, VALUE

from promlab.templating.errors import TemplateError, TemplateSyntaxError
from promlab.templating.prometheus import (
    AlertData,
    AlertTemplate,
    check,
    explanation,
    functions,
)
from tests.patience import until
from tests.real_programs import prometheus

pytestmark = pytest.mark.peers

EXTERNAL_URL = "http://here.example:9090/prefix"
EXTERNAL_LABELS = {"region": "eu"}


def expression() -> str:
    text = f"vector({VALUE})"
    for name, value in LABELS.items():
        if value:
            text = f'label_replace({text}, "{name}", {json.dumps(value)}, "", "")'
    return text


@pytest.fixture(scope="module")
def expanded(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each case's text, as Prometheus expands it."""
    folder = tmp_path_factory.mktemp("prometheus")
    rules = [
        {"alert": f"A{i}", "expr": expression(), "annotations": {"text": text}}
        for i, text in enumerate(CASES)
    ]
    (folder / "rules.yml").write_text(
        json.dumps({"groups": [{"name": "g", "interval": "1s", "rules": rules}]})
    )
    config = {"global": {"external_labels": EXTERNAL_LABELS}, "rule_files": ["rules.yml"]}
    flag, ready = f"--web.external-url={EXTERNAL_URL}", "/prefix/-/ready"
    with prometheus(peers, folder, json.dumps(config), flag, ready=ready) as client:

        def alerts() -> Any:
            found = client.get("/prefix/api/v1/alerts").json()["data"]["alerts"]
            return found if len(found) >= len(CASES) else None

        return {
            each["labels"]["alertname"]: each["annotations"]["text"]
            for each in until(alerts, "all alerts")
        }


def ours(i: int, text: str) -> str:
    answers: dict[str, Any] = {
        "vector(3)": [({}, 3.0)],
        "vector(1)": [({}, 1.0)],
        "7": [({}, 7.0)],
        'label_replace(vector(3), "a", "b", "", "")': [({"a": "b"}, 3.0)],
        'vector(1) or label_replace(vector(2), "a", "b", "", "")': [({}, 1.0), ({"a": "b"}, 2.0)],
        "nope": [],
    }

    def query(asked: str) -> Any:
        from promlab.promql import parse

        parse(asked)
        return answers[asked]

    data = AlertData(
        {name: value for name, value in LABELS.items() if value},
        VALUE,
        EXTERNAL_LABELS,
        EXTERNAL_URL,
    )
    template = AlertTemplate(f"A{i}", text)
    try:
        return template.expand(data, functions(query, 1e9, EXTERNAL_URL))
    except TemplateError as error:
        return explanation(error)


@pytest.mark.parametrize(("i", "text"), list(enumerate(CASES)), ids=lambda x: str(x)[:60])
def test_expands_as_prometheus_does(i: int, text: str, expanded: dict[str, str]) -> None:
    assert ours(i, text) == expanded[f"A{i}"]


@pytest.fixture(scope="module")
def refused(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What promtool says of a file with all bad texts."""
    file = tmp_path_factory.mktemp("bad") / "rules.yml"
    rules = [
        {"alert": f"A{i}", "expr": "1", "annotations": {"text": text}} for i, text in enumerate(BAD)
    ]
    file.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    done = subprocess.run(
        [peers / "promtool", "check", "rules", file], capture_output=True, text=True
    )
    return done.stderr


@pytest.mark.parametrize(("i", "text"), list(enumerate(BAD)), ids=lambda x: str(x)[:60])
def test_refuses_what_promtool_refuses(i: int, text: str, refused: str) -> None:
    asked = f'"A{i}"' in refused
    try:
        check(f"A{i}", text)
    except TemplateSyntaxError:
        assert asked, "promtool takes it"
    else:
        assert not asked, "promtool refuses it"

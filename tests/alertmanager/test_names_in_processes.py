"""Labels of any characters, and the classic mode without them: ours beside the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alertmanager.alertmanager_process import Running, alertmanager

CONFIG = "route: {receiver: a}\nreceivers: [{name: a}]\n"
ALERT = [{"labels": {"alertname": "a", "Σ.dot": "Ω", "emoji": "🙂"}}]
PLAIN = [{"labels": {"alertname": "a", "emoji": "🙂"}}]


def silence(name: str) -> dict[str, Any]:
    return {
        "matchers": [{"name": name, "value": "🙂", "isRegex": False}],
        "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "me",
        "comment": "c",
    }


WHOS = ["ours", pytest.param("real", marks=pytest.mark.peers)]


@pytest.fixture(params=WHOS)
def real(request: pytest.FixtureRequest) -> Path | None:
    found: Path | None = request.getfixturevalue("peers") if request.param == "real" else None
    return found


@pytest.fixture
def any_names(real: Path | None, tmp_path: Path) -> Iterator[Running]:
    with alertmanager(tmp_path, CONFIG, real=real) as am:
        yield am


@pytest.fixture
def classic(real: Path | None, tmp_path: Path) -> Iterator[Running]:
    with alertmanager(tmp_path, CONFIG, "--enable-feature=classic-mode", real=real) as am:
        yield am


def test_any_names(any_names: Running) -> None:
    assert any_names.call("POST", "/api/v2/alerts", ALERT)[0] == 200
    [found] = any_names.get("/api/v2/alerts?filter=%22%CE%A3.dot%22%3D%22%CE%A9%22")
    assert found["labels"] == ALERT[0]["labels"]
    status, said = any_names.call("POST", "/api/v2/silences", silence("Σ.dot"))
    assert status == 200
    [kept] = any_names.get("/api/v2/silences")
    assert kept["id"] == said["silenceID"]
    assert kept["matchers"][0]["name"] == "Σ.dot"


def test_classic_mode(classic: Running) -> None:
    status, said = classic.call("POST", "/api/v2/alerts", ALERT)
    assert (status, "invalid label set" in str(said)) == (400, True)
    status, said = classic.call("POST", "/api/v2/silences", silence("Σ.dot"))
    assert (status, "invalid silence: invalid label matcher" in str(said)) == (400, True)
    assert classic.call("POST", "/api/v2/alerts", PLAIN)[0] == 200
    assert classic.call("POST", "/api/v2/silences", silence("emoji"))[0] == 200
    [found] = classic.get("/api/v2/alerts")
    assert found["labels"] == PLAIN[0]["labels"]

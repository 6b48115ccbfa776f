"""/api/v1/lab/*: jobs and rules at run time, queries that are stopped, what alerts did."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fake_server import client_of, make_context
from running import PATIENCE_S, Running, Target, running, until, write_config

from promlab.rules.alert import AlertState, Change
from promlab.server.alert_log import NAME, StoredHistory
from promlab.server.settings import Settings

LAB = "/api/v1/lab"
RULES = {
    "name": "mine",
    "groups": [
        {
            "name": "g",
            "interval": "100ms",
            "rules": [
                {"record": "twice:level", "expr": "2 * level"},
                {"alert": "Low", "expr": "level < 1", "labels": {"severity": "page"}},
            ],
        }
    ],
}


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.close()


def test_jobs_and_rules_come_and_go_and_survive_a_restart(tmp_path: Path, target: Target) -> None:
    write_config(tmp_path)
    with running(tmp_path) as server:
        job = {"job": "late", "targets": [target.address], "labels": {"made": "by hand"}}
        assert server.client.post(f"{LAB}/targets", json=job).status_code == 200
        until(lambda: server.value('level{job="late",made="by hand"}') == 0.25, "a sample")
        assert server.client.post(f"{LAB}/rules", json=RULES).status_code == 200
        until(lambda: server.value("twice:level") == 0.5, "a recorded series")
        until(lambda: _changes(server), "an alert's change")
        change = _changes(server)[0]
        assert (change["rule"], change["from"], change["to"]) == ("Low", "inactive", "pending")
        assert change["labels"]["severity"] == "page"
        wrong = [
            ("targets", {"job": "late2", "targets": ["http://x"]}, "is not a valid hostname"),
            ("targets", {"job": "t", "targets": ["x:1"]}, "found multiple scrape configs"),
            ("targets", {"job": "../x", "targets": ["x:1"]}, "can't be a name here"),
            ("targets", {"job": "x"}, "a list of addresses is needed"),
            ("rules", {"name": "bad", "groups": [{"name": "g", "rules": [{}]}]}, "bad.yml:"),
            ("rules", {"name": "bad"}, "a list of rule groups"),
        ]
        for path, body, words in wrong:
            answer = server.client.post(f"{LAB}/{path}", json=body)
            assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
            assert words in answer.json()["error"]
        assert list(server.client.get(f"{LAB}/targets").json()["data"]["jobs"]) == ["late"]
        assert list(server.client.get(f"{LAB}/rules").json()["data"]["rules"]) == ["mine"]
    with running(tmp_path) as server:
        assert _changes(server)[0] == change
        until(lambda: server.value('up{job="late"}') == 1, "the job after a restart")
        assert server.client.delete(f"{LAB}/targets/late").status_code == 200
        assert server.client.delete(f"{LAB}/rules/mine").status_code == 200
        assert server.client.delete(f"{LAB}/targets/late").status_code == 404
        pools = server.client.get("/api/v1/scrape_pools").json()["data"]["scrapePools"]
        assert pools == ["t"]
        assert server.client.get("/api/v1/rules").json()["data"]["groups"] == []


def test_targets_and_rules_from_python(tmp_path: Path, target: Target) -> None:
    import promlab
    from promlab.errors import ClientError, NotRunning

    write_config(tmp_path)
    with running(tmp_path) as server:
        where = {"url": server.url}
        labels = {"made": "by python"}
        options = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        added = promlab.targets.add(
            target.address, job="py", labels=labels, scrape_config=options, **where
        )
        assert added == "py"
        until(lambda: server.value('level{made="by python"}') == 0.25, "a sample")
        assert list(promlab.targets.jobs(**where)) == ["py"]
        promlab.targets.add_rules("mine", RULES["groups"], **where)  # type: ignore[arg-type]
        until(lambda: server.value("twice:level") == 0.5, "a recorded series")
        with pytest.raises(ClientError, match="not a valid hostname"):
            promlab.targets.add("http://x", job="bad", **where)
        promlab.targets.remove("py", **where)
        promlab.targets.remove_rules("mine", **where)
        with pytest.raises(ClientError, match="nothing was added under the name 'py'"):
            promlab.targets.remove("py", **where)
    with pytest.raises(NotRunning):
        promlab.targets.jobs(**where)


def _changes(server: Running) -> list[dict[str, Any]]:
    found = server.client.get(f"{LAB}/alert_history", params={"rule": "Low"}).json()
    changes: list[dict[str, Any]] = found["data"]["changes"]
    return changes


def test_a_running_query_is_listed_and_stopped(tmp_path: Path, target: Target) -> None:
    write_config(tmp_path, target.address)
    # Many seconds of work, if nobody stops it; all terms differ.
    slow = " + ".join(f"sum(count_over_time(vector({n})[2h:1ms]))" for n in range(200))
    with running(tmp_path) as server:
        until(lambda: server.value("up") == 1, "a sample")
        box: list[httpx.Response] = []

        def ask() -> None:
            where = {"params": {"query": slow}}
            box.append(httpx.get(f"{server.url}/api/v1/query", timeout=PATIENCE_S, **where))  # type: ignore[arg-type]

        asking = threading.Thread(target=ask)
        asking.start()

        def listed() -> list[dict[str, Any]]:
            found = server.client.get(f"{LAB}/queries").json()["data"]["queries"]
            return [query for query in found if query["query"] == slow]

        (query,) = until(listed, "the query in the list")
        active = (tmp_path / "data" / "queries.active").read_text()
        assert "count_over_time" in active
        assert server.client.delete(f"{LAB}/queries/{query['id']}").status_code == 200
        asking.join(PATIENCE_S)
        assert (box[0].status_code, box[0].json()["errorType"]) == (499, "canceled")
        assert server.client.delete(f"{LAB}/queries/{query['id']}").status_code == 404
        assert server.client.delete(f"{LAB}/queries/x").status_code == 404


SETTINGS = Settings(route_prefix="", enable_lab=True, external_url="https://prom.example/x")


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Host": "localhost:9090"}, True),
        ({"Host": "127.0.0.1:9090", "Origin": "http://127.0.0.1:9090"}, True),
        ({"Host": "[::1]:9090"}, True),
        ({"Host": "prom.example"}, True),
        ({"Host": "127.0.0.1:9090", "Origin": "http://evil.example"}, False),
        ({"Host": "127.0.0.1:9090", "Origin": "null"}, False),
        ({"Host": "rebound.example:9090"}, False),
        ({"Host": "rebound.example:9090", "Origin": "http://rebound.example:9090"}, False),
    ],
)
async def test_pages_of_other_sites_may_not_use_it(headers: dict[str, str], allowed: bool) -> None:
    async with client_of(make_context(SETTINGS)) as client:
        answer = await client.get(f"{LAB}/queries", headers=headers)
    assert answer.status_code == (200 if allowed else 400)


async def test_it_is_off_unless_asked_for() -> None:
    context = make_context(msgspec.structs.replace(SETTINGS, enable_lab=False))
    async with client_of(context) as client:
        for method, path in [("GET", "queries"), ("POST", "targets"), ("DELETE", "rules/x")]:
            answer = await client.request(method, f"{LAB}/{path}")
            assert (answer.status_code, answer.json()["errorType"]) == (500, "unavailable")


def test_the_history_of_alerts_is_kept_and_bounded(tmp_path: Path) -> None:
    history = StoredHistory(str(tmp_path), capacity=3)
    for i in range(10):
        value = float("nan") if i == 9 else i / 2
        labels = {"i": str(i), "é": "ü\n"}
        history.add(Change(i, "R", labels, AlertState.PENDING, AlertState.FIRING, value))
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"t_ms": 1, "ru')  # the process was killed
    again = StoredHistory(str(tmp_path), capacity=3).changes()
    assert [change.t_ms for change in again] == [8, 9]
    assert again[0] == history.changes()[1]
    assert len((tmp_path / NAME).read_bytes().splitlines()) <= 7

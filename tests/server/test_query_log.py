"""The query log, and the list of what is evaluated now."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from running import Target, running, until, write_config

from promlab.server.active_queries import NAME, ActiveQueries, unfinished
from promlab.server.query_log import QueryLog


def test_queries_of_people_and_of_rules_are_logged(tmp_path: Path) -> None:
    target = Target()
    write_config(tmp_path, target.address)
    config = tmp_path / "p.yml"
    text = config.read_text().replace("global: {", "global: {query_log_file: queries.log, ")
    config.write_text(text + "rule_files: [r.yml]\n")
    (tmp_path / "r.yml").write_text(
        "groups: [{name: g, interval: 100ms, rules: [{record: r, expr: level}]}]\n"
    )
    path = tmp_path / "queries.log"
    with running(tmp_path) as server:
        until(path.exists, "the log")
        server.client.get("/api/v1/query", params={"query": "vector(7)", "time": "5"})
        params = {"query": "up[1d", "start": "0", "end": "60", "step": "15"}
        server.client.get("/api/v1/query_range", params=params)  # refused before it is run
        params["query"] = "level + on() group_left() {job='t'}"
        params |= {"start": "1e9", "end": "1000000060"}
        server.client.get("/api/v1/query_range", params=params)
        until(lambda: "ruleGroup" in path.read_text(), "a rule's query")
        assert server.value("prometheus_engine_query_log_enabled") in (None, 1)
        assert "prometheus_engine_query_log_enabled 1.0" in server.client.get("/metrics").text
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    mine = [line for line in lines if "httpRequest" in line]
    first = next(line for line in mine if line["params"]["query"] == "vector(7)")
    assert first["params"] == {
        "query": "vector(7)",
        "start": "1970-01-01T00:00:05.000Z",
        "end": "1970-01-01T00:00:05.000Z",
        "step": 0,
    }
    assert first["httpRequest"]["path"] == "/api/v1/query"
    assert first["httpRequest"]["method"] == "GET"
    assert set(first["stats"]["timings"]) > {"evalTotalTime", "execQueueTime"}
    ranged = [line["params"] for line in mine if line["params"]["step"] == 15]
    assert len(ranged) == 1
    rule = next(line for line in lines if "ruleGroup" in line)
    assert rule["ruleGroup"] == {"file": f"{tmp_path}/r.yml", "name": "g"}
    target.close()


def test_a_log_that_can_not_be_written_stops_nothing(tmp_path: Path) -> None:
    log = QueryLog()
    log.use(str(tmp_path / "no" / "folder"))
    assert (log.enabled, log.failures) == (False, 1)
    log.note("up", (0, 0, 0), None)
    log.use(str(tmp_path / "good"))
    log.note("up", (0, 0, 0), None, "an error")
    log.use("")
    log.note("down", (0, 0, 0), None)
    (line,) = (tmp_path / "good").read_text().splitlines()
    assert json.loads(line)["error"] == "an error"
    assert json.loads(line)["params"]["start"] == "1970-01-01T00:00:00.000Z"


def test_what_a_dead_process_was_at_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dead = ActiveQueries(2)
    dead.open(str(tmp_path))
    path = tmp_path / NAME
    assert json.loads(path.read_bytes()) == []
    slots = [dead.begin("up"), dead.begin('"\x00\x01é' * 400)]
    texts = [each["query"] for each in unfinished(path.read_bytes())]
    assert "up" in texts
    assert len(texts) == 2
    slots.append(dead.begin("one too many"))
    assert len(unfinished(path.read_bytes())) == 2
    dead.end(slots[1])
    dead.end(slots[2])
    with caplog.at_level(logging.WARNING):
        ActiveQueries(2).open(str(tmp_path))
    assert "These queries did not finish" in caplog.text
    assert '"up"' in str(caplog.records[0].facts)  # type: ignore[attr-defined]
    dead.open(str(tmp_path))
    for _ in range(3):
        dead.end(dead.begin("up"))
    assert path.read_bytes().strip(b"[] ") == b""
    assert unfinished(path.read_bytes()) == []
    assert unfinished(b"\xff{") == []

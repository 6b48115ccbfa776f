"""The API v2 against its OpenAPI, amtool, bad requests, limits, reload, prefixes, passwords."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from promlab.alertmanager.server.flags import add_flags, settings
from promlab.errors import ServerError
from tests.alertmanager.alertmanager_process import Running, alertmanager, eventually, sink, stamp

CONFIG = """
route:
  receiver: team
  group_by: [alertname]
  group_wait: 1s
  routes:
  - {receiver: other, matchers: ['team="b"'], mute_time_intervals: [always]}
receivers:
- name: team
  labels: {owner: us}
- name: other
time_intervals:
- name: always
  time_intervals: [{years: ['2000:3000']}]
inhibit_rules:
- {source_matchers: ['severity="critical"'], target_matchers: ['severity="warning"'], equal: [host]}
"""


@pytest.fixture(scope="module")
def am(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with alertmanager(tmp_path_factory.mktemp("am"), CONFIG) as running:
        now = time.time()
        running.post_alerts(
            {"labels": {"alertname": "Down", "host": "a", "severity": "critical"},
             "annotations": {"summary": "it is down"}, "generatorURL": "http://p/graph?a=b"},
            {"labels": {"alertname": "Slow", "host": "a", "severity": "warning"}},
            {"labels": {"alertname": "Full", "host": "b", "team": "b"}},
            {"labels": {"alertname": "Past"}, "endsAt": stamp(now - 60)},
            {"labels": {"alertname": "Quiet", "host": "c"}},
        )  # fmt: skip
        running.silence(("alertname", "Quiet"))
        yield running


@pytest.fixture(scope="module")
def schema(shared: Path) -> dict[str, Any]:
    path = shared / "contract" / "alertmanager" / "openapi_v2.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def conforms(schema: dict[str, Any], path: str, method: str, answer: Any) -> None:
    """The answer is what the OpenAPI promises for 200."""
    promised = schema["paths"][path][method]["responses"]["200"].get("schema")
    assert promised is not None
    whole = {**promised, "definitions": schema["definitions"]}
    validator = jsonschema.Draft4Validator(whole, format_checker=jsonschema.FormatChecker())
    errors = [error.message for error in validator.iter_errors(answer)]
    assert not errors


def names(found: list[dict[str, Any]]) -> list[str]:
    return sorted(alert["labels"]["alertname"] for alert in found)


@pytest.mark.shared
@pytest.mark.parametrize(
    "path", ["/status", "/receivers", "/silences", "/alerts", "/alerts/groups"]
)
def test_answers_follow_the_openapi(am: Running, schema: dict[str, Any], path: str) -> None:
    answer = am.get(f"/api/v2{path}")
    assert answer
    conforms(schema, path, "get", answer)


@pytest.mark.shared
def test_every_path_of_the_openapi_is_there(am: Running, schema: dict[str, Any]) -> None:
    for path, methods in schema["paths"].items():
        for method in set(methods) & {"get", "post", "delete"}:
            status, _ = am.call(method.upper(), "/api/v2" + path.replace("{silenceID}", "x"))
            assert status not in (404, 405), (path, method)


@pytest.mark.shared
def test_life_of_a_silence(am: Running, schema: dict[str, Any]) -> None:
    made = am.silence(("zone", "x"))
    found = am.get(f"/api/v2/silence/{made}")
    conforms(schema, "/silence/{silenceID}", "get", found)
    assert (found["status"]["state"], found["comment"]) == ("active", "why")
    # Longer, with another comment: the same silence.
    body = {**found, "comment": "longer", "endsAt": stamp(time.time() + 7200)}
    assert am.call("POST", "/api/v2/silences", body) == (200, {"silenceID": made})
    # Other matchers: another silence, and the end of the first.
    matcher = {"name": "zone", "value": "y", "isRegex": False}
    status, changed = am.call("POST", "/api/v2/silences", {**body, "matchers": [matcher]})
    assert status == 200
    assert changed["silenceID"] != made
    assert am.get(f"/api/v2/silence/{made}")["status"]["state"] == "expired"
    gone = changed["silenceID"]
    assert am.call("DELETE", f"/api/v2/silence/{gone}") == (200, None)
    assert am.call("DELETE", f"/api/v2/silence/{gone}") == (200, None)
    listed = am.get('/api/v2/silences?filter=zone%3D"y"')
    assert [each["id"] for each in listed] == [gone]
    assert am.get('/api/v2/silences?filter=zone%3D"y"&expired=false') == []


FILTERS = [
    ("", ["Down", "Full", "Quiet", "Slow"]),
    ("filter=host%3D%22a%22", ["Down", "Slow"]),
    ("filter=host%3Da&filter=alertname!%3DSlow", ["Down"]),
    ("filter=alertname%3D~%22.*l.*%22", ["Full", "Slow"]),
    ("active=false", ["Quiet", "Slow"]),
    ("silenced=false", ["Down", "Full", "Slow"]),
    ("inhibited=false", ["Down", "Full", "Quiet"]),
    ("inhibited=false&silenced=false", ["Down", "Full"]),
    ("receiver=oth.*", ["Full"]),
    ("receiver=oth", []),
    ("receiver=&active=&silenced=", ["Down", "Full", "Quiet", "Slow"]),
    ("receiver_matchers=owner%3Dus", ["Down", "Quiet", "Slow"]),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_filters_of_alerts(am: Running, query: str, expected: list[str]) -> None:
    assert names(am.get(f"/api/v2/alerts?{query}")) == expected


def test_groups(am: Running) -> None:
    groups = am.get("/api/v2/alerts/groups")
    assert [(g["labels"]["alertname"], g["receiver"]["name"]) for g in groups] == [
        ("Down", "team"), ("Full", "other"), ("Quiet", "team"), ("Slow", "team"),
    ]  # fmt: skip
    (full,) = [g for g in groups if g["labels"]["alertname"] == "Full"]
    status = full["alerts"][0]["status"]
    assert (status["state"], status["mutedBy"]) == ("suppressed", ["always"])
    unmuted = am.get("/api/v2/alerts/groups?muted=false&silenced=false")
    assert [g["labels"]["alertname"] for g in unmuted] == ["Down", "Slow"]


def test_status_of_alerts(am: Running) -> None:
    found = {a["labels"]["alertname"]: a for a in am.get("/api/v2/alerts")}
    assert found["Slow"]["status"]["inhibitedBy"] == [found["Down"]["fingerprint"]]
    assert len(found["Quiet"]["status"]["silencedBy"]) == 1
    assert found["Down"]["generatorURL"] == "http://p/graph?a=b"
    assert found["Down"]["annotations"] == {"summary": "it is down"}
    assert found["Down"]["receivers"] == [{"name": "team"}]


def silence_body(**changed: Any) -> dict[str, Any]:
    body = {
        "matchers": [{"name": "a", "value": "b", "isRegex": False}],
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2999-01-01T00:00:00Z",
        "createdBy": "me",
        "comment": "",
    }
    return {k: v for k, v in {**body, **changed}.items() if v is not None}


BAD: list[tuple[str, str, Any, int, str]] = [
    ("POST", "alerts", {}, 400, "parsing alerts body"),
    ("POST", "alerts", None, 422, "alerts in body is required"),
    ("POST", "alerts", [{}], 422, "0.labels in body is required"),
    ("POST", "alerts", [{"labels": {"a": ""}}], 400, "at least one label pair required"),
    ("POST", "alerts", [{"labels": {"a": 1}}], 400, "parsing alerts body"),
    ("POST", "alerts", [{"labels": {"": "b"}}], 400, 'invalid label set: invalid name ""'),
    ("POST", "alerts", [{"labels": {"a": "b"}, "startsAt": "x"}], 400, "parsing time"),
    ("POST", "alerts", [{"labels": {"a": "b"}, "generatorURL": "x y"}], 422, "type uri"),
    ("POST", "alerts", [{"labels": {"a": "b"}, "startsAt": "2030-01-01T00:00:00Z",
      "endsAt": "2029-01-01T00:00:00Z"}], 400, "start time must be before end time"),
    ("GET", "alerts?filter=%7Ba%3D%22b%22%7D", None, 400, "unexpected open or close brace"),
    ("GET", "alerts?filter=foo", None, 400, "bad matcher format: foo"),
    ("GET", "alerts?receiver=%5B", None, 400, "failed to parse receiver param"),
    ("GET", "alerts?receiver_matchers=x", None, 400, "failed to parse receiver_matchers param"),
    ("POST", "silences", {}, 422, "comment in body is required"),
    ("POST", "silences", silence_body(matchers=[]), 422, "at least 1 items"),
    ("POST", "silences", silence_body(createdBy=None), 422, "createdBy in body is required"),
    ("POST", "silences", silence_body(matchers=[{"name": "a", "value": "b"}]), 422,
     "matchers.0.isRegex in body is required"),
    ("POST", "silences", silence_body(endsAt="2020-01-01T00:00:00Z"), 400, "start time must be"),
    ("POST", "silences", silence_body(startsAt="2019-01-01T00:00:00Z",
                                      endsAt="2020-01-01T00:00:00Z"), 400, "in the past"),
    ("POST", "silences", silence_body(matchers=[{"name": "a", "value": "[", "isRegex": True}]),
     400, "invalid regular expression"),
    ("POST", "silences", silence_body(matchers=[{"name": "a", "value": "", "isRegex": False}]),
     400, "at least one matcher must not match the empty string"),
    ("POST", "silences", silence_body(id="00000000-0000-0000-0000-000000000000"), 404,
     "silence not found"),
    ("GET", "silence/xx", None, 422, "must be of type uuid"),
    ("DELETE", "silence/00000000-0000-0000-0000-000000000000", None, 404, ""),
    ("GET", "nope", None, 404, "path /api/v2/nope was not found"),
    ("GET", "silence/", None, 404, "path /api/v2/silence/ was not found"),
    ("POST", "silences", silence_body(startsAt="x", comment=None), 400, "parsing time"),
    ("POST", "status", {}, 405, "method POST is not allowed, but [GET] are"),
    ("HEAD", "status", None, 405, ""),
    ("OPTIONS", "status", None, 405, "method OPTIONS is not allowed, but [GET] are"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "message"), BAD)
def test_bad_requests(
    am: Running, method: str, path: str, body: Any, status: int, message: str
) -> None:
    found, answer = am.call(method, f"/api/v2/{path}", body)
    assert found == status
    assert message in json.dumps(answer).replace('\\"', '"')


def test_wrong_content_type(am: Running) -> None:
    status, answer = am.call("POST", "/api/v2/alerts", [], {"Content-Type": "text/plain"})
    assert (status, answer["code"]) == (415, 415)


def test_valid_alerts_of_a_bad_batch_are_taken(am: Running) -> None:
    good = {"labels": {"alertname": "Good", "host": "z"}, "endsAt": stamp(time.time() + 3600)}
    status, _ = am.call("POST", "/api/v2/alerts", [good, {"labels": {}}])
    assert status == 400
    assert names(am.get("/api/v2/alerts?filter=host%3Dz")) == ["Good"]
    am.post_alerts({**good, "endsAt": stamp(time.time())})


def test_what_go_reads_into_text_and_time(am: Running) -> None:
    alert = {
        "labels": {"alertname": "Odd", "host": "odd", "gone": None},
        "annotations": {"empty": None},
        "endsAt": "2999-01-01",
    }
    assert am.call("POST", "/api/v2/alerts", [alert])[0] == 200
    (found,) = am.get("/api/v2/alerts?filter=host%3Dodd")
    assert found["labels"] == {"alertname": "Odd", "host": "odd"}
    assert found["annotations"] == {"empty": ""}
    assert found["endsAt"].startswith("2999-01-01T00:00:00")
    assert am.call("POST", "/api/v2/alerts", [{**alert, "endsAt": stamp(time.time())}])[0] == 200


def test_old_api_and_management(am: Running) -> None:
    assert am.call("GET", "/api/v1/alerts")[0] == 410
    assert am.call("GET", "/-/healthy") == (200, "OK")
    assert am.call("GET", "/-/reload")[0] == 405
    assert am.call("GET", "/nope")[0] == 404
    with urllib.request.urlopen(am.url + "/api/v2/status") as response:
        assert response.headers["Cache-Control"] == "no-store"


def test_page_is_served(am: Running) -> None:
    with urllib.request.urlopen(am.url + "/") as response:
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        page = response.read().decode()
    for name in ("page.css", "page.js"):
        assert f"static/{name}" in page
        assert urllib.request.urlopen(f"{am.url}/static/{name}").status == 200


@pytest.mark.peers
def test_metrics_are_well_formed(am: Running, peers: Path) -> None:
    with urllib.request.urlopen(am.url + "/metrics") as response:
        text = response.read()
    done = subprocess.run([peers / "promtool", "check", "metrics"], input=text, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("alerts", "silences", "notifications_total", "config_last_reload_successful"):
        assert b"\nalertmanager_" + name.encode() in text


@pytest.mark.peers
def test_amtool(am: Running, peers: Path, tmp_path: Path) -> None:
    def amtool(*arguments: str, code: int = 0) -> str:
        command = [peers / "amtool", f"--alertmanager.url={am.url}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout + done.stderr

    ends = stamp(time.time() + 3600)
    amtool("alert", "add", "Tool", "host=t", "--annotation=a=b", f"--end={ends}")
    found = json.loads(amtool("-o", "json", "alert", "query", "Tool"))
    assert [alert["annotations"] for alert in found] == [{"a": "b"}]
    assert names(json.loads(amtool("-o", "json", "alert", "query", "-s", "-r", "team"))) == [
        "Quiet"
    ]
    made = amtool("silence", "add", "-a", "me", "-c", "why", "-d", "1h", "host=t").strip()
    assert made in amtool("silence", "query", "-q")
    assert amtool("silence", "update", "-c", "new", "-d", "2h", made).find("new") > 0
    amtool("silence", "expire", made)
    amtool("alert", "add", "Tool", "host=t", f"--end={stamp(time.time())}")
    assert made in amtool("silence", "query", "--expired", "-q", "host=t")
    file = tmp_path / "silences.json"
    file.write_text(json.dumps([silence_body(), silence_body(comment="two")]))
    assert len(amtool("silence", "import", str(file)).split()) == 2
    file.write_text(json.dumps([silence_body(), silence_body(matchers=[])]))
    assert "couldn't import 1 out of 2 silences" in amtool("silence", "import", str(file), code=1)
    assert "group_by" in amtool("config", "show")
    assert 'team="b"' in amtool("config", "routes", "show")
    assert amtool("config", "routes", "test", "team=b").strip() == "other"
    amtool("config", "routes", "test", "--verify.receivers=team", "team=b", code=1)
    assert "disabled" in amtool("cluster", "show")
    for listed in json.loads(amtool("-o", "json", "silence", "query", 'a="b"')):
        amtool("silence", "expire", listed["id"])


def test_reload(tmp_path: Path) -> None:
    with alertmanager(tmp_path, CONFIG) as am:
        file = tmp_path / "am.yml"
        file.write_text(CONFIG.replace("receiver: team", "receiver: nobody"))
        status, answer = am.call("POST", "/-/reload")
        assert status == 500
        assert answer.startswith("failed to reload config: ")
        assert "undefined receiver 'nobody'" in answer
        assert "alertmanager_config_last_reload_successful 0" in am.get("/metrics")
        assert am.get("/api/v2/receivers")[0]["name"] == "team"
        file.write_text(CONFIG.replace("name: other", "name: changed").replace(
            "receiver: other", "receiver: changed"))  # fmt: skip
        am.reload()
        eventually(lambda: am.get("/api/v2/receivers")[1]["name"] == "changed")
        assert "alertmanager_config_last_reload_successful 1" in am.get("/metrics")
        assert am.stop() == 0


def test_limits_and_prefix(tmp_path: Path) -> None:
    flags = (
        "--silences.max-silences=2", "--silences.max-silence-size-bytes=1000",
        "--alerts.per-alertname-limit=3", "--web.external-url=http://x/foo/",
    )  # fmt: skip
    with alertmanager(tmp_path, CONFIG, *flags, wait=False) as am:
        am.url += "/foo"
        eventually(am.ready)
        for i in range(2):
            am.silence(("a", str(i)))
        status, message = am.call("POST", "/api/v2/silences", silence_body())
        assert (status, message) == (400, "exceeded maximum number of silences: 2 (limit: 2)")
        status, message = am.call("POST", "/api/v2/silences", silence_body(comment="x" * 1000))
        assert status == 400
        assert message.startswith("silence exceeded maximum size")
        am.post_alerts(*({"labels": {"alertname": "A", "i": str(i)}} for i in range(5)))
        assert len(am.get("/api/v2/alerts")) == 3
        assert "alertmanager_alerts_limited_total 2" in am.get("/metrics")


def test_password(tmp_path: Path) -> None:
    # bcrypt of "secret", the cheapest there is
    (tmp_path / "web.yml").write_text(
        "basic_auth_users: {me: $2b$04$abcdefghijklmnopqrstuuCQ2jDDYqRzT1pHEHkNm5hZKHd6G9rYq}\n"
    )
    with alertmanager(tmp_path, CONFIG, f"--web.config.file={tmp_path}/web.yml", wait=False) as am:
        eventually(lambda: am.log.read_text().count("Listening"))
        assert eventually(lambda: am.call("GET", "/api/v2/status"))[0] == 401


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--enable-feature=foo", "unknown option 'foo' for --enable-feature"),
        ("--enable-feature=classic-mode,utf8-strict-mode", "at the same time"),
        ("--data.retention=soon", "--data.retention: 'soon' is not a duration"),
        ("--alerts.gc-interval=0s", "--alerts.gc-interval: must be more than 0"),
        ("--silences.max-silences=x", "'x' is not a whole number"),
        ("--web.external-url=foo", "is not an http or https URL"),
        ("--log.level=loud", "--log.level: 'loud' is none of"),
    ],
)
def test_bad_flags(flag: str, message: str) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    with pytest.raises(ServerError, match=re.escape(message)):
        settings(parser.parse_args([flag]))


def test_flags_mean_what_they_say() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    chosen = settings(
        parser.parse_args(
            ["--web.external-url=http://x/a/", "--cluster.peer=b:1", "--cluster.peer=c:2",
             "--data.retention=1h30m", "--no-log.silences", "--web.timeout=5"]
        )
    )  # fmt: skip
    assert (chosen.external_url, chosen.route_prefix) == ("http://x/a", "/a")
    assert chosen.cluster.peers == ("b:1", "c:2")
    assert (chosen.retention_s, chosen.timeout_s) == (5400, 5)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--config.file=/nowhere.yml", "/nowhere.yml: no such file"),
        ("--storage.path=/proc/nowhere", "can't be opened"),
    ],
)
def test_what_is_missing_ends_it_with_one_line(tmp_path: Path, flag: str, message: str) -> None:
    with alertmanager(tmp_path, CONFIG, flag, wait=False) as am:
        assert am.process.wait(timeout=240) in (1, 2)
        last = am.log.read_text().strip().splitlines()[-1]
        assert last.startswith("promlab: error: ")
        assert message in last


def test_an_alert_arrives(tmp_path: Path) -> None:
    """On the real clock, over real HTTP: fires, and ends."""
    with sink() as hook:
        config = CONFIG.replace(
            "- name: team\n", "- name: team\n  webhook_configs: [{url: HOOK}]\n"
        )
        config = config.replace("HOOK", hook.url).replace("group_wait: 1s", "group_wait: 100ms\n"
            "  group_interval: 200ms")  # fmt: skip
        with alertmanager(tmp_path, config) as am:
            am.post_alerts({"labels": {"alertname": "A"}})
            eventually(lambda: hook.calls)
            am.post_alerts({"labels": {"alertname": "A"}, "endsAt": stamp(time.time())})
            eventually(lambda: len(hook.calls) == 2)
    assert [call.json["status"] for call in hook.calls] == ["firing", "resolved"]
    assert hook.calls[0].headers["User-Agent"].startswith("Alertmanager/")

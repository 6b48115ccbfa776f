"""`promlab.lab.alertmanager()`: notifications in the notebook, silences, routes, its end."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

import promlab
from promlab import alerts
from promlab.errors import ClientError, ConfigError, NotRunning
from promlab.lab.alertmanager_process import LabAlertmanager, alertmanager, running

CONFIG = """
route:
  receiver: everybody
  group_by: [alertname]
  routes:
  - receiver: pager
    matchers: ['severity="page"']
    continue: true
    routes:
    - {receiver: db, matchers: ['team=~"db|<b>"']}
  - receiver: chat
    mute_time_intervals: [nights]
receivers: [{name: everybody}, {name: pager}, {name: db}, {name: chat}]
time_intervals: [{name: nights}]
"""


@pytest.fixture(scope="module")
def am() -> Iterator[LabAlertmanager]:
    with alertmanager() as found:
        yield found


def test_notifications_come_to_the_notebook(am: LabAlertmanager) -> None:
    am.add_alert("DiskFull", {"summary": "no room"}, host="a")
    message = am.inbox.wait(240.0, lambda m: m["groupLabels"] == {"alertname": "DiskFull"})
    assert message["alerts"][0]["annotations"] == {"summary": "no room"}
    assert [alert["labels"]["host"] for alert in am.alerts('alertname="DiskFull"')] == ["a"]
    assert alertmanager() is am
    assert running() is am
    assert am.url in repr(am)


def test_silences_and_their_widget(am: LabAlertmanager) -> None:
    am.add_alert("Noise", host="b")
    made = am.silence('alertname="Noise"', hours=1, comment="known")
    assert [a["status"]["silencedBy"] for a in am.alerts('alertname="Noise"')] == [[made]]
    widget = alerts.silences(am)
    assert "active" in repr(widget)
    assert "alertname='Noise'" in repr(widget)
    widget._heard(widget, {"kind": "preview", "matchers": ['host="b"']}, [])
    assert widget.preview == [{"alertname": "Noise", "host": "b"}]
    widget._heard(widget, {"kind": "expire", "id": made}, [])
    assert [s["status"]["state"] for s in widget.silences if s["id"] == made] == ["expired"]
    widget._heard(widget, {"kind": "create", "matchers": ['host=~"["'], "hours": 1}, [])
    assert "missing" in widget.problem
    widget._heard(widget, {"kind": "create", "matchers": ['host="c"'], "hours": 1}, [])
    assert widget.problem == ""
    assert len(am.silences()) == 2


def test_errors_are_clear(am: LabAlertmanager) -> None:
    with pytest.raises(ConfigError, match="matcher: bad matcher format"):
        am.silence("nonsense")
    with pytest.raises(ClientError, match="end"):
        am.silence('a="b"', hours=-1)
    with pytest.raises(ConfigError, match="undefined receiver 'x'"):
        am.apply("route: {receiver: x}\nreceivers: []\n")
    # The old configuration stays, in the file too.
    assert am.route({"a": "b"}).receivers == ["notebook"]
    with pytest.raises(ConfigError, match=r"alertmanager\.yml.*unknown field"):
        alertmanager("nope: 1", name="other")
    assert running("other") is None


def test_route_lights_the_way() -> None:
    picture = alerts.route({"alertname": "Down", "severity": "page", "team": "db"}, CONFIG)
    assert picture.receivers == ["db", "chat"]
    lines = repr(picture).splitlines()
    assert [line[:2] for line in lines] == ["->", "->", "=>", "=>"]
    svg = picture._repr_html_()
    root = ElementTree.fromstring(svg)
    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]
    assert any('team=~"db|<b>"' in text for text in texts)
    assert any("mute: nights" in text for text in texts)
    ends = [g for g in root.iter() if g.get("class") == "lit end"]
    assert len(ends) == 2
    assert alerts.route({"alertname": "Down"}, CONFIG).receivers == ["chat"]


def test_without_any_running_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promlab.lab.alertmanager_process._running", {})
    with pytest.raises(NotRunning, match=r"promlab\.lab\.alertmanager"):
        alerts.silences()


def test_a_rule_of_the_lab_arrives(am: LabAlertmanager, tmp_path: Path) -> None:
    """From a rule in our own server, through our own Alertmanager, into the notebook."""
    rules = tmp_path / "rules.yml"
    rules.write_text(
        "groups: [{name: g, interval: 1s, rules: [{alert: AlwaysOn, expr: 'vector(1)',\n"
        "  labels: {severity: page}, annotations: {summary: 'is {{ $value }}'}}]}]\n"
    )
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [am.address]}]}]},
    }
    with promlab.start(config, name="with alerts", quiet=True) as lab:
        lab.ready()
        message = am.inbox.wait(240.0, lambda m: m["groupLabels"] == {"alertname": "AlwaysOn"})
        (alert,) = message["alerts"]
        assert alert["annotations"] == {"summary": "is 1"}
        assert alert["labels"]["severity"] == "page"
        timeline = alerts.timeline("15m", client=lab.client)
        while not timeline.rows:  # the samples of an evaluation follow its notifications
            timeline.refresh()
            assert timeline.problem == ""
        assert [labels["alertname"] for labels in timeline.rows] == ["AlwaysOn"]
        assert {span["state"] for span in timeline.spans} <= {"pending", "firing"}
        assert timeline.end_ms > timeline.start_ms
        assert "firing" in repr(timeline)


def test_one_import_is_enough() -> None:
    code = "import promlab; promlab.lab.alertmanager; promlab.alerts.route; promlab.alerts.silences"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

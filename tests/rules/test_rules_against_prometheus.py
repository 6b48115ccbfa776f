"""What /api/v1/rules and /api/v1/alerts say of the same rule file, here and in Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from rule_world import World

from promlab.config import load
from promlab.model.matchers import Matcher, MatchType
from promlab.rules.listing import BadListing, RulesQuery, list_rules
from promlab.rules.manager import RuleManager
from promlab.rules.status import alert_status, group_status
from tests.patience import until
from tests.real_programs import prometheus

pytestmark = pytest.mark.peers

RULES = """
groups:
- name: mixed
  interval: 1s
  labels: {team: a}
  rules:
  - {record: "two:x", expr: "1+1", labels: {team: "", k: v}}
  - record: labelled
    expr: label_replace(vector(3),"a","x","","") or label_replace(vector(4),"a","y","","")
  - {record: seen, expr: "sum by(a)(labelled)"}
  - {record: text, expr: "'s'"}
  - {record: twice, expr: labelled, labels: {a: ""}}
  - alert: Firing
    expr: labelled>3
    labels: {sev: "{{ $value }}"}
    annotations: {s: "{{ . }}", t: "{{ $labels.a }}"}
  - {alert: Pending, expr: "labelled > bool 3", for: 1h, keep_firing_for: 5m}
  - {alert: Bad, expr: "labelled + on() labelled"}
  - {alert: Inactive, expr: "labelled > 99"}
  - {alert: NaN, expr: "vector(0)/0", annotations: {v: "{{ $value }} {{ humanize $value }}"}}
- name: limited
  interval: 1s
  limit: 1
  rules:
  - {record: many, expr: labelled}
  - {alert: Many, expr: labelled}
- name: empty
  rules: []
"""
FAILING = ("twice", "many", "Many", "text")
VOLATILE = {"evaluationTime", "lastEvaluation", "activeAt", "file"}


def settled(value: Any) -> Any:
    """The same without what differs between two runs, alerts in order."""
    if isinstance(value, dict):
        return {name: settled(each) for name, each in value.items() if name not in VOLATILE}
    if isinstance(value, list):
        return sorted((settled(each) for each in value), key=repr)
    return value


@pytest.fixture(scope="module")
def real(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "r.yml").write_text(RULES)
    flag = "--web.external-url=http://me"
    with prometheus(peers, folder, "rule_files: [r.yml]\n", flag) as client:
        yield until(lambda: asked(client), "every rule with the others' results")


def asked(client: httpx.Client) -> dict[str, Any]:
    """Both answers; nothing until every rule has been evaluated with the others' results."""
    groups = client.get("/api/v1/rules").json()["data"]["groups"]
    alerts = client.get("/api/v1/alerts").json()["data"]["alerts"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    failing = all(rules[name]["health"] == "err" for name in FAILING if name in rules)
    healths = {rule["health"] for rule in rules.values()}
    # Group by group: alerts come from an answer that is as old as the rules.
    told = sum(len(rule.get("alerts", ())) for rule in rules.values())
    if len(rules) == 12 and failing and "unknown" not in healths and told == len(alerts):
        return {"groups": groups, "alerts": alerts, "base": f"{client.base_url}/api/v1"}
    return {}


async def manager_of(folder: Path) -> RuleManager:
    (folder / "r.yml").write_text(RULES)
    (folder / "p.yml").write_text("rule_files: [r.yml]\n")
    world = World(1_700_000_000_000)
    manager = RuleManager(world.options, "http://me")
    await manager.apply(load(folder / "p.yml", supported_only=False))
    await world.clock.advance(5_000)
    await manager.stop()
    return manager


async def test_rules_and_alerts_as_prometheus_tells(real: Any, tmp_path: Path) -> None:
    manager = await manager_of(tmp_path)
    alerts = [alert_status(alert) for alert in manager.active_alerts()]
    assert settled(alerts) == settled(real["alerts"])
    groups = [group_status(group) for group in manager.groups() if group.rules]
    assert [g["name"] for g in groups] == [g["name"] for g in real["groups"]]
    for mine, theirs in zip(groups, real["groups"], strict=True):
        for rule, other in zip(mine["rules"], theirs["rules"], strict=True):
            assert settled(rule) == settled(other)
            assert set(rule) == set(other)
        assert set(mine) == set(theirs)


IS_A = [Matcher("team", MatchType.EQUAL, "a")]
HAS_K = [Matcher("k", MatchType.REGEX, ".+")]


@pytest.mark.parametrize(
    ("url", "query"),
    [
        ("", RulesQuery()),
        ("type=alert", RulesQuery("alert")),
        ("type=record", RulesQuery("record")),
        ("type=x", RulesQuery("x")),
        ("rule_name[]=seen&rule_name[]=Bad", RulesQuery(rule_names=["seen", "Bad"])),
        ("rule_group[]=limited", RulesQuery(group_names=["limited"])),
        ("rule_group[]=empty", RulesQuery(group_names=["empty"])),
        ("rule_group[]=none", RulesQuery(group_names=["none"])),
        ("file[]=none", RulesQuery(files=["none"])),
        ('match[]={team="a"}', RulesQuery(matchers=[IS_A])),
        ('match[]={k=~".%2B"}', RulesQuery(matchers=[HAS_K])),
        (
            'match[]={team="a"}&match[]={k=~".%2B"}&type=record',
            RulesQuery("record", matchers=[IS_A, HAS_K]),
        ),
        ("exclude_alerts=true", RulesQuery(exclude_alerts=True)),
        ("group_limit=1", RulesQuery(group_limit=1)),
        ("group_limit=2", RulesQuery(group_limit=2)),
        ("group_limit=-1", RulesQuery(group_limit=-1)),
        ("group_next_token=x", RulesQuery(group_next_token="x")),
        ("group_limit=1&group_next_token=x", RulesQuery(group_limit=1, group_next_token="x")),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_lists_as_prometheus_does(
    real: Any, tmp_path: Path, url: str, query: RulesQuery
) -> None:
    async with httpx.AsyncClient() as client:
        answer = (await client.get(f"{real['base']}/rules?{url}")).json()
    groups = (await manager_of(tmp_path)).groups()
    try:
        found = list_rules(groups, query)
    except BadListing as error:
        assert (answer["errorType"], str(error)) == ("bad_data", answer["error"])  # noqa: PT017
        return
    # The file's path is part of a token.
    assert ("groupNextToken" in found) == bool(answer["data"].pop("groupNextToken", ""))
    found.pop("groupNextToken", None)
    assert settled(found) == settled(answer["data"])


async def test_pages_follow_each_other(tmp_path: Path) -> None:
    groups = (await manager_of(tmp_path)).groups()
    first = list_rules(groups, RulesQuery(group_limit=1))
    token = first["groupNextToken"]
    second = list_rules(groups, RulesQuery(group_limit=1, group_next_token=token))
    assert [g["name"] for g in first["groups"] + second["groups"]] == ["limited", "mixed"]
    assert "groupNextToken" not in second

"""Rule files: what is taken, what is refused, and where; held against promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from promlab.config.rules import Checks, load_rule_file, load_rule_text, rule_file_problems
from promlab.errors import ConfigError
from promlab.promql import parse
from promlab.templating.prometheus import check

CHECKS = Checks(parse, check)


def one(rule: str) -> str:
    return f"groups:\n- name: g\n  rules:\n  - {rule}\n"


BAD = [
    ("groups:\n- rules: []\n", "r.yml:2:3: groups[0]: Groupname must not be empty"),
    (
        "groups:\n- name: a\n- name: a\n",
        'r.yml:3:9: groups[1].name: groupname: "a" is repeated in the same file',
    ),
    ("group: []\n", "r.yml:1:1: group: unknown field 'group': did you mean groups?"),
    (one("{record: a, alert: b, expr: '1'}"), "only one of 'record' and 'alert' must be set"),
    (one("{expr: '1'}"), "r.yml:4:5: groups[0].rules[0]: one of 'record' or 'alert' must be set"),
    (one("{record: a}"), "field 'expr' must be set in rule"),
    (
        one("{record: a, expr: 'sum('}"),
        "r.yml:4:23: groups[0].rules[0].expr: could not parse expression: 1:5: parse error: ",
    ),
    (one("{record: a, expr: '1', for: 1m}"), "invalid field 'for' in recording rule"),
    (one("{record: a, expr: '1', keep_firing_for: 1m}"), "invalid field 'keep_firing_for' in"),
    (one("{record: a, expr: '1', annotations: {a: b}}"), "invalid field 'annotations' in"),
    (one('{record: "a{b=1}", expr: "1"}'), "braces present in the recording rule name"),
    (one("{record: a, expr: '1', labels: {__name__: b}}"), "invalid label name: __name__"),
    (one("{alert: a, expr: '1', labels: {a: '{{ $x }}'}}"), 'label "a": template: __alert_a:1:'),
    (
        one("{alert: a, expr: '1', annotations: {a: '{{ nope }}'}}"),
        'r.yml:4:44: groups[0].rules[0].annotations.a: annotation "a": template: __alert_a:1: '
        'function "nope" not defined',
    ),
    (one("{alert: a, expr: '1', for: 1x}"), 'unknown unit "x" in duration'),
    (one("{alert: a, expr: '1', expr: '2'}"), "this key is already set"),
    (one("{alert: a, expr: '1', nope: 1}"), "unknown field 'nope'"),
    ("groups:\n- name: g\n  labels: {__name__: x}\n", "invalid label name: __name__"),
    ("groups:\n- name: g\n  rules: [null]\n", "empty or null rule"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_rule_text(text, "r.yml", CHECKS)
    assert message in str(caught.value)
    assert str(caught.value).startswith("r.yml:")


def test_all_problems_at_once() -> None:
    text = "groups:\n- name: g\n  rules:\n  - {record: a}\n  - {alert: b, expr: ')'}\n- rules: []\n"
    found = rule_file_problems(text, "r.yml", CHECKS)
    assert [problem.line for problem in found] == [4, 5, 6]


def test_reads_everything() -> None:
    text = """
groups:
- name: g
  interval: 30s
  limit: 7
  query_offset: 1m
  labels: {team: a, tier: x}
  rules:
  - {record: "a:b", expr: 1, labels: {tier: "y"}}
  - {alert: A, expr: up == 0, for: 5m, keep_firing_for: 1h, annotations: {s: "{{ $value }}"}}
- name: h
"""
    g, h = load_rule_text(text, "r.yml", CHECKS)
    assert (g.name, g.interval_ms, g.limit, g.query_offset_ms) == ("g", 30_000, 7, 60_000)
    assert g.rules[0].labels == {"team": "a", "tier": "y"}
    assert (g.rules[1].for_ms, g.rules[1].keep_firing_for_ms) == (300_000, 3_600_000)
    assert g.rules[1].annotations == {"s": "{{ $value }}"}
    assert (h.interval_ms, h.query_offset_ms, h.rules) == (0, None, ())


def test_legacy_names() -> None:
    text = one("{alert: a, expr: '1', annotations: {in-stance: x}}")
    load_rule_text(text, "", CHECKS)
    with pytest.raises(ConfigError, match="invalid annotation name: in-stance"):
        load_rule_text(text, "", Checks(parse, check, legacy=True))


def test_unknown_fields_can_be_let_pass() -> None:
    text = "x: 1\ngroups:\n- name: g\n  y: 2\n  rules:\n  - {record: a, expr: '1', z: 3}\n"
    (group,) = load_rule_text(text, "", Checks(parse, check, ignore_unknown=True))
    assert group.rules[0].record == "a"


@pytest.mark.shared
@pytest.mark.peers
def test_contract_files_as_promtool_decides(shared: Path, peers: Path) -> None:
    folders = [shared / "contract" / name for name in ("rules", "promtool")]
    files = sorted(f for d in folders for f in d.glob("*.y*ml") if "groups:" in f.read_text())
    # Which functions features.yml may use depends on flags, not on the file.
    files = [file for file in files if file.name != "features.yml"]
    assert len(files) > 20
    for file in files:
        done = subprocess.run(
            [peers / "promtool", "check", "rules", "--lint=none", file], capture_output=True
        )
        problems = rule_file_problems(file.read_text(), file, CHECKS)
        assert bool(problems) == bool(done.returncode), f"{file.name}: {problems} {done.stderr!r}"


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"^nowhere\.yml: no such file$"):
        load_rule_file("nowhere.yml", check_expr=parse, check_template=check)

"""`promlab test rules`: what it says is what promtool says, to the letter."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from promlab.cli import main

RULES = """\
groups:
- name: g
  interval: 30s
  rules:
  - {record: "a:sum", expr: "sum(a)"}
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {severity: page}
    annotations:
      summary: "{{ $labels.instance }} {{ $value }} {{ $externalLabels.region }} {{ $externalURL }}"
- name: h
  rules:
  - {record: "b", expr: "a:sum * 2"}
  - {record: "later", expr: "sum(a offset -2m)"}
"""
HEAD = "rule_files: [rules.yml]\nevaluation_interval: 1m\n"
CASES = {
    "all kinds of failures": """\
group_eval_order: [h, g]
tests:
- name: first
  interval: 1m
  external_labels: {region: eu}
  external_url: https://example.org/y
  input_series:
  - {series: 'a{x="1"}', values: '1+1x5 _x2 stale 3'}
  - {series: 'up{job="p",instance="i:1"}', values: '1 0x10'}
  - {series: 'h', values: '{{schema:0 sum:3 count:4 buckets:[1 2 1]}}x3'}
  alert_rule_test:
  - {eval_time: 4m, alertname: Down, exp_alerts: [{exp_labels: {job: p}, exp_annotations: {a: b}}]}
  - {eval_time: 2m, alertname: Down}
  - {eval_time: 5m, alertname: Nope, exp_alerts: [{}]}
  promql_expr_test:
  - {expr: 'a:sum', eval_time: 3m, exp_samples: [{labels: 'a:sum', value: 5}]}
  - {expr: 'sum(', eval_time: 3m}
  - expr: h
    eval_time: 1m
    exp_samples: [{labels: h, histogram: '{{schema:0 sum:3 count:5 buckets:[1 2 2]}}'}]
  - {expr: 'later', eval_time: 3m, exp_samples: []}
  - {expr: 'count(up)', eval_time: 3m, exp_samples: []}
  - {expr: '1e-7 * a', eval_time: 3m, exp_samples: [{labels: 'q', value: 1.5e30}]}
  - {expr: 'a{x="é\\\\"}', eval_time: 3m, exp_samples: [{labels: 'a{x="é"}', value: -0.25}]}
""",
    "times between evaluations": """\
tests:
- interval: 1m
  input_series:
  - {series: 'up{job="p",instance="i:1"}', values: '0x10'}
  - {series: 'up{job="p",instance="i:2"}', values: '0x10'}
  alert_rule_test:
  - {eval_time: 150s, alertname: Down, exp_alerts: [{}]}
  - {eval_time: 1m, alertname: Down, exp_alerts: [{exp_labels: {a: b}}]}
  - {eval_time: 5m, alertname: Down, exp_alerts: [{exp_labels: {instance: 'i:2'}}]}
""",
    "floats that are nearly equal": """\
fuzzy_compare: true
tests:
- input_series:
  - {series: near, values: 3.0000000000000004}
  - {series: far, values: 3.000000000000001}
  promql_expr_test:
  - {expr: near, eval_time: 0, exp_samples: [{labels: near, value: 3}]}
  - {expr: far, eval_time: 0, exp_samples: [{labels: far, value: 3}]}
""",
    "nothing is wrong": """\
group_eval_order: [g, h]
tests:
- name: good
  input_series: [{series: 'up{instance="i"}', values: '1 0 0 0 1'}, {series: a, values: '1 2 3 4'}]
  alert_rule_test:
  - eval_time: 3m
    alertname: Down
    exp_alerts: [{exp_labels: {severity: page, instance: i}, exp_annotations: {summary: 'i 0  '}}]
  - {eval_time: 4m, alertname: Down, exp_alerts: []}
  promql_expr_test:
  - {expr: 'b', eval_time: 2m, exp_samples: [{labels: b, value: 6}]}
  - expr: ALERTS
    eval_time: 2m
    exp_samples:
    - labels: 'ALERTS{alertname="Down",alertstate="pending",instance="i",severity="page"}'
      value: 1
""",
}


@pytest.fixture(params=CASES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "test.yml").write_text(HEAD + CASES[request.param])
    return tmp_path / "test.yml"


@pytest.mark.peers
def test_says_what_promtool_says(
    peers: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = subprocess.run(
        [peers / "promtool", "test", "rules", file], capture_output=True, text=True
    )
    assert main(["test", "rules", str(file)]) == theirs.returncode
    ours = capsys.readouterr()
    assert ours.err == theirs.stderr
    assert ours.out.split() == theirs.stdout.split()


@pytest.mark.peers
def test_contract_files_get_promtools_verdict(
    peers: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared / "contract/promtool"
    for name in (
        "rules_run", "bad-rules-error-test", "long-period", "no-test-group-interval",
        "negative-offset-test", "rules_run_fuzzy", "rules_run_no_fuzzy", "rules_run_extrafields",
    ):  # fmt: skip
        command = [peers / "promtool", "test", "rules", folder / f"{name}.yml"]
        theirs = subprocess.run(command, capture_output=True, text=True)
        assert main(["test", "rules", str(folder / f"{name}.yml")]) == theirs.returncode, name
        ours = capsys.readouterr().err
        # promtool names clashing series in any order.
        same = sorted(ours) == sorted(theirs.stderr)
        assert same or name == "rules_run_extrafields"


def test_a_start_that_is_not_1970(shared: Path) -> None:
    # Newer than the promtool that is at hand.
    assert main(["test", "rules", str(shared / "contract/promtool/start-time-test.yml")]) == 0


def test_unknown_fields_may_be_let_pass(shared: Path) -> None:
    file = str(shared / "contract/promtool/rules_run_extrafields.yml")
    assert main(["test", "rules", "--ignore-unknown-fields", file]) == 0
    assert main(["test", "rules", file]) == 1


def test_run_chooses_by_name(tmp_path: Path) -> None:
    (tmp_path / "t.yml").write_text(
        "tests:\n- {name: good one, promql_expr_test: []}\n"
        "- {name: bad one, promql_expr_test: [{expr: '1', eval_time: 0, exp_samples: []}]}\n"
    )
    assert main(["test", "rules", str(tmp_path / "t.yml")]) == 1
    assert main(["test", "rules", "--run=^good", str(tmp_path / "t.yml")]) == 0
    assert main(["test", "rules", "--run=nothing", str(tmp_path / "t.yml")]) == 0


def test_junit_counts_failures(tmp_path: Path) -> None:
    (tmp_path / "t.yml").write_text(
        "tests:\n- {name: a<b, promql_expr_test: [{expr: '1', eval_time: 0, exp_samples: []}]}\n"
        "- promql_expr_test: []\n"
    )
    assert main(["test", "rules", f"--junit={tmp_path / 'j.xml'}", str(tmp_path / "t.yml")]) == 1
    (suite,) = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["a<b", "unnamed#1"]
    assert "exp: nil" in (suite[0][0].text or "")


def test_debug_shows_all_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    series = "input_series: [{series: a, values: '1 2'}]"
    asked = "promql_expr_test: [{expr: b, eval_time: 1m, exp_samples: [{labels: b, value: 4}]}]"
    (tmp_path / "t.yml").write_text(f"{HEAD}tests:\n- {{{series}, {asked}}}\n")
    assert main(["test", "rules", "--debug", str(tmp_path / "t.yml")]) == 0
    assert '{__name__="b"} =>\n2 @[0]\n4 @[60000]\n' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("tests: [{intervall: 1m}]", "tests[0].intervall: unknown field"),
        ("tests: [{start_timestamp: soon}]", "is not a time"),
        ("tests: [{input_series: [{series: 'a{', values: '1'}]}]", "series 'a{'"),
        ("tests: [{input_series: [{series: 'a', values: '1 x'}]}]", "not a value"),
        ("evaluation_interval: 0s\ntests: [{}]", "evaluation_interval"),
        ("[]", "a mapping"),
        ("tests: [null]", "empty"),
    ],
)
def test_what_is_wrong_with_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, where: str
) -> None:
    (tmp_path / "t.yml").write_text(text)
    assert main(["test", "rules", str(tmp_path / "t.yml")]) == 1
    assert where in capsys.readouterr().err

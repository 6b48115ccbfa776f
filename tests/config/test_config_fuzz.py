"""Any file gives a configuration or an error with its place: never a traceback, never a hang."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from promlab.alertmanager.config import load as load_alertmanager
from promlab.cli.check.schema import schema
from promlab.config import load, load_text
from promlab.config.relabelling import relabel
from promlab.config.rules import Checks, load_rule_text
from promlab.config.web import load_web
from promlab.errors import ConfigError, PromlabError
from promlab.exporters.blackbox import modules as blackbox
from promlab.exporters.json import modules as json_modules
from promlab.model.labels import LabelTable, Symbols
from promlab.promql import parse
from promlab.ruletest import file as ruletest
from promlab.templating.prometheus import check

FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def rules(path: Path) -> object:
    from promlab.config.document import read_text

    return load_rule_text(read_text(path), path, Checks(parse, check))


READ: dict[str, Callable[[Path], object]] = {
    "prometheus": lambda path: load(path, environment={"A": "b"}, supported_only=False),
    "rules": rules,
    "web": load_web,
    "alertmanager": load_alertmanager,
    "tests": lambda path: ruletest.load(str(path)),
    "json": json_modules.load,
    "blackbox": lambda path: blackbox.load(str(path)),
}

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
GOOD: dict[str, str] = {
    "prometheus": """
global: {scrape_interval: 15s, external_labels: {cluster: '${A}'}, body_size_limit: 15MB}
rule_files: [rules/*.yml]
alerting:
  alertmanagers: [{scheme: https, static_configs: [{targets: ['am:9093']}]}]
scrape_configs:
- job_name: one
  sample_limit: 0x10
  static_configs: &targets [{targets: ['a:1', 'b:2'], labels: {dc: x}}]
  relabel_configs:
  - {source_labels: [__address__], regex: '(.*):(\\d+)', target_label: port, replacement: $2}
  - {action: hashmod, source_labels: [a], modulus: 7, target_label: shard}
- job_name: two
  static_configs: *targets
  basic_auth: {username: me, password: s3cret}
  kubernetes_sd_configs: [{role: pod, selectors: [{role: pod, label: a=b}]}]
  azure_sd_configs: [{subscription_id: a, tenant_id: b, client_id: c, client_secret: d}]
  file_sd_configs: [{files: ['a/*.json'], refresh_interval: 1m}]
remote_write: [{url: 'http://u:p@h/w', headers: {X-A: b}, queue_config: {max_shards: 3}}]
storage: {tsdb: {out_of_order_time_window: 30m}}
""",
    "rules": """
groups:
- name: one
  interval: 30s
  labels: {team: x}
  rules:
  - {record: 'job:up:sum', expr: 'sum by (job) (up)', labels: {a: b}}
  - alert: Down
    expr: up{job="a"} == 0 or rate(x[5m]) > 1e3
    for: 5m
    annotations: {summary: '{{ $labels.job }} is down for {{ humanizeDuration $value }}'}
""",
    "web": f"""
basic_auth_users: {{me: '{HASH}'}}
http_server_config: {{http2: false, headers: {{X-Frame-Options: deny}}}}
tls_server_config: {{cert_file: a, key_file: b, min_version: TLS13, max_version: TLS13}}
""",
    "alertmanager": """
global: {resolve_timeout: 5m, smtp_smarthost: 'mail:25', smtp_from: a@b}
route:
  receiver: team
  group_by: [alertname]
  routes: [{matchers: ['a="b"', 'c=~"d.*"'], receiver: team, mute_time_intervals: [night]}]
inhibit_rules: [{source_matchers: [severity=a], target_matchers: [severity=b], equal: [x]}]
time_intervals:
- name: night
  time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}], weekdays: ['monday:friday'],
                    months: ['january:march'], days_of_month: ['1:-1'], years: ['2024:2030']}]
receivers:
- name: team
  webhook_configs: [{url: 'http://h/', max_alerts: 5}]
  email_configs: [{to: a@b, headers: {Subject: '{{ .GroupLabels }}'}}]
""",
    "tests": """
rule_files: [a.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series: [{series: 'up{job="a"}', values: '0x5 _x3 1+2x4'}]
  alert_rule_test: [{eval_time: 5m, alertname: Down, exp_alerts: [{exp_labels: {job: a}}]}]
  promql_expr_test: [{expr: up, eval_time: 1m, exp_samples: [{labels: 'up{job="a"}', value: 1}]}]
""",
    "json": """
modules:
  default:
    headers: {X-A: b}
    metrics:
    - {name: n, path: '$.a[?(@.b > 1)].c', labels: {l: '$.x'}, type: object, values: {v: '$.y'}}
""",
    "blackbox": """
modules:
  http: {prober: http, timeout: 5s, http: {valid_status_codes: [200], headers: {A: b},
         fail_if_body_matches_regexp: ['a.*'], tls_config: {insecure_skip_verify: true}}}
  dns: {prober: dns, dns: {query_name: a.b, query_type: A, valid_rcodes: [NOERROR]}}
  tcp: {prober: tcp, tcp: {query_response: [{expect: '^x', send: 'y'}], tls: true}}
""",
}  # fmt: skip
# What files come to hold by accident, by encodings, by templates that were not filled in.
PIECES = (
    "\0", "\t", "\r", "\x1b", "\ufeff", "\u2028", "\ud7ff", "\U0001f600", "---\n", "...\n", "&a ",
    "*a", "*targets", "<<: *targets", "!!binary ", "!!int ", "!!python/name:os.system ", "!x ",
    "? ", ": ", "- ", "[", "]", "{", "}", "'", '"',
    "|\n", ">-\n", "#", "%", "@", "`", "null", "~", "yes",
    ".nan", "-.inf", "1e999", "0x", "9" * 30, "9" * 5000, "-1", "0", "1y1y", "5m5h", "${", "${A}",
    "${B:-}", "$$", "(" * 50, "a{1000}", "(a{999}){999}", "\\", "[[:x:]]", "{{", "}}", "{{ end }}",
    "{{ range }}", "http://[::1", "a" * 300,
)  # fmt: skip
VALUES = (
    None, [], {}, "", 0, -1, 1, 1.5, 10**30, float("inf"), float("nan"), True, "x", "5m", "0s",
    "${A}", "a:b:c", ["x"], [None], [[]], {"a": 1}, {"": ""}, "\0", "é", "(" * 20, "a" * 1000,
    "-5m", "1e400",
)  # fmt: skip


def outcome(read: Callable[[Path], object], path: Path) -> bool:
    """Whether the file is taken; what is refused says where and why, in one line."""
    try:
        read(path)
    except ConfigError as error:
        text = str(error)
        assert text.startswith(str(path)), text
        assert len(text) < 3000, text
        assert "\n" not in text, text
        return False
    return True


@pytest.mark.parametrize("name", GOOD)
def test_the_files_that_are_changed_are_good(name: str, tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    path.write_text(GOOD[name])
    READ[name](path)


@pytest.mark.parametrize("name", GOOD)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
@settings(FUZZ, max_examples=40)
def test_any_bytes(name: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.yml"
    path.write_bytes(content)
    outcome(READ[name], path)


@pytest.mark.parametrize("name", GOOD)
@given(data=st.data())
@FUZZ
def test_good_files_with_pieces_put_in_or_taken_out(
    name: str, tmp_path: Path, data: st.DataObject
) -> None:
    text = GOOD[name]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.sampled_from(PIECES) | st.just("")) + text[end:]
    path = tmp_path / "f.yml"
    path.write_text(text, encoding="utf-8", newline="")
    outcome(READ[name], path)


def places(value: Any) -> list[tuple[Any, Any]]:
    """All containers and keys below a value."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found


SCHEMAS = {name: Draft7Validator(schema(name)) for name in GOOD}


@pytest.mark.parametrize("name", GOOD)
@given(data=st.data())
@FUZZ
def test_good_files_with_other_values(name: str, tmp_path: Path, data: st.DataObject) -> None:
    """What is taken with other values in it, no editor marks."""
    document = copy.deepcopy(yaml.safe_load(GOOD[name]))
    for _ in range(data.draw(st.integers(1, 2))):
        where, key = data.draw(st.sampled_from(places(document)))
        with contextlib.suppress(IndexError, KeyError):
            if data.draw(st.booleans()) and isinstance(where, dict):
                where[data.draw(st.sampled_from(("x", "", 5, None, "job_name")))] = where.pop(key)
            else:
                where[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    path = tmp_path / "f.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    if outcome(READ[name], path):
        marked = [error.message for error in SCHEMAS[name].iter_errors(document)]
        assert not marked, path.read_text()


@given(regex=st.text(max_size=30), replacement=st.text(max_size=20), value=st.text(max_size=20))
@settings(FUZZ, max_examples=300)
def test_any_relabelling(regex: str, replacement: str, value: str) -> None:
    rule = {"source_labels": ["a"], "regex": regex, "replacement": replacement}
    for more in ({"target_label": "b"}, {"action": "labelmap"}, {"target_label": "${1}x"}):
        text = yaml.safe_dump({"scrape_configs": [
            {"job_name": "j", "relabel_configs": [{**rule, **more}]}]})  # fmt: skip
        with contextlib.suppress(PromlabError):
            (made,) = load_text(text).jobs[0].relabel_configs
            relabel(LabelTable.from_dicts([{"a": value, "aa": "x"}], Symbols()), [made])


JOBS = "scrape_configs:\n- job_name: j0\n  static_configs: &t\n" + "  - targets: [a:1]\n" * 3000
LIMIT = "scrape_configs: [{job_name: a, sample_limit: %s}]"
REGEX = "scrape_configs: [{job_name: a, relabel_configs: [{regex: '%s'}]}]"
BOMBS = {
    "a billion laughs": "a: &a [x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
        for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)),
    "a billion targets": JOBS + "".join(
        f"- {{job_name: j{n}, static_configs: *t}}\n" for n in range(1, 2000)),
    "deep lists": "[" * 100_000,
    "deep mappings": "{a: " * 100_000,
    "deep blocks": "- " * 100_000,
    "deep keys": "? " * 100_000,
    "a list in itself": "scrape_configs: &a [*a]",
    "a mapping in itself": "global: &a {external_labels: *a}",
    "a mapping merged into itself": "global: &a\n  <<: *a",
    "many merges": f"global:\n  <<: [{', '.join(['&a {scrape_interval: 1s}'] * 50_000)}, 5]",
    "digits": LIMIT % ("9" * 100_000),
    "hexadecimal digits": LIMIT % ("0x" + "f" * 100_000),
    "digits of a duration": f"global: {{scrape_interval: {'9' * 10_000}y}}",
    "digits of a size": f"global: {{body_size_limit: {'9' * 10_000}GB}}",
    "brackets of an expression": REGEX % ("(" * 50_000),
    "repeated repetitions": REGEX % "(a{1000}){1000}",
    "a long expression": REGEX % ("a" * 5_000_000),
    "a long key": "? " + "a" * 3_000_000 + "\n: b",
    "a long field": "global: {external_labels: {? " + "a/" * 500_000 + " : [1]}}",
    "a key twice": "global: {}\nglobal: {}",
    "a tab": "global:\n\tscrape_interval: 1s",
    "a NUL": "global: \0",
    "half a pair": 'global: {external_labels: {a: "\\ud800"}}',
    "an object of Python": "global: !!python/object/apply:os.system [ls]",
    "no such alias": "global: *nothing",
    "a list as a key": "? [a, b]\n: c",
    "a foreign port": "remote_write: [{url: 'http://a:99999999999999999999'}]",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_where_they_stand(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    path.write_text(BOMBS[bomb], newline="")
    with pytest.raises(ConfigError) as caught:
        load(path, environment={"A": "b"})
    assert caught.value.line, caught.value
    assert caught.value.column, caught.value
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize(
    "text",
    ["", "\ufeffglobal: {}", "global:\r\n  scrape_interval: 1s\r\n", "# nothing", "---\n" * 50],
)
def test_odd_files_that_are_valid(text: str, tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    path.write_text(text, encoding="utf-8", newline="")
    load(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    path.write_bytes(b"global:\n  external_labels: {a: \xff}\n")
    with pytest.raises(ConfigError, match="not valid UTF-8") as caught:
        load(path)
    assert caught.value.line == 2

"""Values in HTML templates: escaped for where they stand, as the real amtool shows it."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.notify.notice import Group, Notice
from promlab.alertmanager.notify.template_data import AlertData, Data
from promlab.alertmanager.notify.templates import Templates
from promlab.errors import ConfigError
from promlab.templating import TemplateError

HTML = [
    ("{{ (index .Alerts 0).Labels.b }}", "x&lt;y"),
    ('<a href="{{ (index .Alerts 0).GeneratorURL }}">x</a>', '<a href="http://g/?a=1&amp;b=2">x</a>'),
    ('<a href="/a">{{ safeHtml "<b>" }}</a>', '<a href="/a"><b></a>'),
    ('<a href="{{ "javascript:x" }}">', '<a href="#ZgotmplZ">'),
    ('<a href="{{ "javascript:x" | safeUrl }}">', '<a href="javascript:x">'),
    ('<a href="/x?q={{ "a b&c" }}">', '<a href="/x?q=a%20b%26c">'),
    ('<p title="{{ (index .Alerts 0).Annotations.s }}">', '<p title="it&#39;s">'),
    ('<p title={{ "a b" }}>', "<p title=a&#32;b>"),
    ("<script>var x = {{ .CommonLabels }};</script>",
     '<script>var x = "alertname=A, job=j";</script>'),
    ('<script>var x = "{{ "a\\"b" }}";</script>', '<script>var x = "a\\u0022b";</script>'),
    ('<style>p { color: {{ "red" }} }</style>', "<style>p { color: red }</style>"),
    ('<p style="color: {{ "expression(1)" }}">', '<p style="color: ZgotmplZ">'),
    ('<!-- {{ "x" }} -->a', "a"),
    ('<a href="{{ "http://é.x/<a> b" }}">', '<a href="http://%c3%a9.x/%3ca%3e%20b">'),
    ('<textarea>{{ "<x>" }}</textarea>', "<textarea>&lt;x&gt;</textarea>"),
    ('<p {{ "title" }}="x">', '<p title="x">'),
    ('<a href={{ "x y" }}>', "<a href=x%20y>"),
    ('{{ "a+b" }}', "a&#43;b"),
    ('<p onclick="f({{ "a" }})">', '<p onclick="f(&#34;a&#34;)">'),
    ('<a href="{{ "a" }}?{{ "b=c&d" }}">', '<a href="a?b%3dc%26d">'),
    ('{{ "<b>" | safeHtml | printf "%s" }}', "&lt;b&gt;"),
]  # fmt: skip
TEXT = [
    ("{{ .CommonLabels }}", "alertname=A, job=j"),
    ("{{ .CommonLabels.Names }}", "[alertname job]"),
    ("{{ .Alerts | toJson | len }}", ""),
    ("{{ .Alerts }}", ""),
    ("{{ . | toJson }}", ""),
    ("{{ .CommonLabels.SortedPairs | toJson }}", ""),
    ("{{ range .Alerts }}{{ .StartsAt }} {{ .EndsAt }} {{ .StartsAt.Unix }}{{ end }}", ""),
    ("{{ .CommonLabels.missing }}|{{ .CommonLabels.missing | toUpper }}", "|"),
    ("{{ .Nope }}", None),
    ('{{ stringSlice "a" "b" | join "," }}', "a,b"),
    ('{{ append (stringSlice "a") "b" }}', None),
    ('{{ dict "a" 1 "b" "x" }} {{ list 1 "a" 2.5 }} {{ list 1 "a" | toJson }}', ""),
    ('{{ humanizeDuration 3661 }} {{ humanizeDuration "61.5" }}', "1h 1m 1s 1m 1s"),
    ('{{ date "2006-01-02" (index .Alerts 0).StartsAt }}', "2026-11-25"),
    ('{{ tz "Europe/Paris" (index .Alerts 0).StartsAt }}', "2026-11-25 21:00:00.123 +0100 CET"),
    ('{{ date "15:04:05.000 MST" (tz "Asia/Tokyo" (index .Alerts 0).StartsAt) }}', ""),
    ('{{ date "Z07:00 -0700 -07" (tz "Asia/Kolkata" (index .Alerts 0).StartsAt) }}', ""),
    ('{{ tz "No/Where" now }}', None),
    ('{{ "a%20b" | urlUnescape }} {{ trimSpace "  a " }} {{ title "hello wORLD" }}', ""),
    ('{{ .CommonLabels.Remove (stringSlice "job") }}', "alertname=A"),
    ('{{ printf "%T %T %T" .Alerts .CommonLabels . }}', ""),
    ('{{ printf "%v" (index .CommonLabels.SortedPairs 0) }}', "{alertname A}"),
    ('{{ join .CommonLabels.Values "," }}', None),
    ("{{ toUpper 5 }}", None),
    ("{{ nofunc }}", None),
    ("{{ (index .Alerts 5).Status }}", None),
    ("{{ append (list 1) 2 3 }}", "[1 2 3]"),
    ("{{ (index .Alerts 0).EndsAt.IsZero }} {{ .Alerts.Firing | len }}", "true 1"),
    ('{{ template "__subject" . }}', "[FIRING:1] A (j)"),
    ('{{ template "jira.default.priority" . }}', ""),
    ('{{ template "pushover.default.message" . }}', ""),
    ('{{ template "pagerduty.default.instances" .Alerts.Firing }}', ""),
    ('{{ template "slack.default.fallback" . }}', ""),
]  # fmt: skip

ALERTS = [
    Alert({"alertname": "A", "b": "x<y", "zone": "z"}, {"s": "it's"}, 1795636800123,
          1795700000000, 1795636800123, "http://g/?a=1&b=2", fingerprint=0xAB),
    Alert({"alertname": "A", "b": "q"}, {}, 1795636800000, 1795640400000, 1795636800000,
          fingerprint=0xCD),
]  # fmt: skip


def data() -> Data:
    made = Data(
        receiver="r", alerts=[AlertData(ALERTS[0], False), AlertData(ALERTS[1], True)],
        group_labels={"alertname": "A"}, external_url="http://e", reason="first notification",
    )  # fmt: skip
    made.common_labels["job"] = "j"
    return made


@pytest.mark.parametrize(("template", "expected"), HTML)
def test_html(template: str, expected: str) -> None:
    assert Templates().html(template, data()) == expected


@pytest.mark.parametrize(("template", "expected"), TEXT)
def test_text(template: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(TemplateError):
            Templates().text(template, data())
    else:
        found = Templates().text(template, data())
        assert not expected or found == expected


@pytest.mark.peers
def test_amtool_renders_the_same(peers: Path, tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    file.write_text(json.dumps(data().plain()))
    # The default templates are where the original has them.
    defaults = Path("/usr/share/prometheus/alertmanager/default.tmpl")
    if not defaults.exists():
        pytest.skip("no default templates of the original")

    def real(kind: str, template: str) -> str | None:
        done = subprocess.run(
            [peers / "amtool", "template", "render", f"--template.glob={defaults}",
             f"--template.data={file}", f"--template.type={kind}", f"--template.text={template}"],
            capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.removesuffix("\n") if done.returncode == 0 else None

    def ours(kind: str, template: str) -> str | None:
        try:
            render = Templates().html if kind == "html" else Templates().text
            return render(template, data())
        except TemplateError:
            return None

    cases = [("html", text) for text, _ in HTML] + [("text", text) for text, _ in TEXT]
    with ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(lambda case: real(*case), cases))
    # Ids of ours are shorter than those that the original keeps as 16 digits.
    found = [ours(*case) for case in cases]
    wrong = [
        (case, a, b) for case, a, b in zip(cases, theirs, found, strict=True)
        if (a is None) != (b is None) or (a or "").strip() != (b or "").strip()
    ]  # fmt: skip
    assert not wrong


def test_users_definitions_replace_defaults(tmp_path: Path) -> None:
    (tmp_path / "a.tmpl").write_text(
        '{{ define "slack.default.title" }}Mine {{ .Status }}{{ end }}'
    )
    templates = Templates([f"{tmp_path}/*.tmpl"])
    assert templates.text('{{ template "slack.default.title" . }}', data()) == "Mine firing"
    assert "slack.default.color" in templates.names


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.tmpl").write_text('{{ define "x" }}\n{{ if }}{{ end }}')
    with pytest.raises(ConfigError, match=r"b\.tmpl:2: bad template"):
        Templates([f"{tmp_path}/b.tmpl"])


def test_mail_shows_labels_as_text() -> None:
    group = Group("k", {"alertname": "<script>alert(1)</script>"}, "r", 1, 1795636900000)
    alert = Alert({"alertname": "<script>alert(1)</script>"}, {"a": "<img src=x>"}, 1795636800000,
                  1795700000000, 1795636800000, 'javascript:alert("x")')  # fmt: skip
    notice = Notice(group, [alert], "first notification", "http://e", Templates())
    page = notice.html('{{ template "email.default.html" . }}')
    assert "<script>" not in page
    assert "<img" not in page
    assert "javascript:" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert notice.problems == []

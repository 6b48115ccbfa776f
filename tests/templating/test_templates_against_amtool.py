"""Notification templates: what amtool renders of the same text and data, errors too."""

# ruff: noqa: E501  (texts as people write them)

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promlab.templating import Function, List, StringMap, Struct, TemplateError, TemplateSet
from promlab.templating.values import Stringer

pytestmark = pytest.mark.peers

LABELS = {"alertname": "A", "instance": "b:80", "note": 'x"<y>'}
DATA = {
    "receiver": "team",
    "status": "firing",
    "alerts": [
        {"status": "firing", "labels": LABELS, "annotations": {"s": "one"}},
        {"status": "resolved", "labels": {"alertname": "B"}, "annotations": {}},
    ],
    "groupLabels": {"alertname": "A"},
    "commonLabels": LABELS,
    "commonAnnotations": {},
    "externalURL": "http://am",
}
FILE = """
{{ define "title" }}[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}]{{ end }}
{{ define "list" }}{{ range . }}
 - {{ .Labels.alertname }}{{ with .Annotations.s }}: {{ . }}{{ end }}
{{- end }}{{ end }}
"""
TEXTS = [
    '{{ template "title" . }}', '{{ template "list" .Alerts }}', '{{ template "list" .Alerts.Firing }}',
    "{{ .CommonLabels }}", "{{ .CommonLabels.nope }}|", "{{ .CommonLabels.Values }}", "{{ .CommonAnnotations }}|",
    "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}",
    "{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ $a.Status }}{{ end }}", "{{ (index .Alerts 1).Status }}",
    "{{ (index .Alerts 5).Status }}", "{{ .Alerts.Nope }}", "{{ .Nope }}", "{{ .Status.Nope }}", "{{ template \"nope\" }}",
    "{{ len .Alerts }} {{ len .CommonLabels }}", "{{ .Receiver | printf \"%-8s|%8s|\" .Status }}", "{{ .Status | toUpper | len }}",
    "{{ $x := .Status }}{{ range .Alerts }}{{ if ne .Status $x }}{{ .Labels.alertname }}{{ end }}{{ end }}",
    "{{ with .CommonLabels.nope }}a{{ else with .CommonLabels.note }}{{ . | html }}{{ end }}", "{{ nope }}",
    "{{ range .Alerts }}{{ break }}{{ else }}none{{ end }}|", "{{ range .Alerts.Resolved }}{{ .Labels.alertname }}{{ end }}",
    "{{ if and .Alerts (not .CommonAnnotations) }}yes{{ end }}", '{{ define "title" }}mine{{ end }}{{ template "title" . }}',
    "{{ .CommonLabels.SortedPairs.Names }} {{ .CommonLabels.Names }}", "{{ printf \"%q %T\" .Status .CommonLabels }}",
    '{{ eq .Status "firing" "x" }} {{ lt 1 2 }} {{ index .CommonLabels "note" | js }}', "{{ .Alerts.Firing.Firing.Nope }}",
    "{{ toUpper 1 }}", "{{ .Status.a.b }}", "{{ . | len }}", "{{ slice .Status 1 3 }}", "{{ (.CommonLabels.Remove (stringSlice \"note\")).Names }}",
]  # fmt: skip


class Strings(List):
    go_type = "[]string"


class Pairs(List):
    go_type = "template.Pairs"

    def template_methods(self) -> Mapping[str, Function]:
        return {
            "Names": Function(lambda: Strings(pair.fields["Name"] for pair in self)),
            "Values": Function(lambda: Strings(pair.fields["Value"] for pair in self)),
        }


class KV(StringMap, Stringer):
    go_type = "template.KV"

    def go_string(self) -> str:
        return ", ".join(f"{p.fields['Name']}={p.fields['Value']}" for p in self.pairs())

    def pairs(self) -> Pairs:
        names = sorted(self, key=lambda name: (name != "alertname", name))
        return Pairs(Record("template.Pair", Name=name, Value=self[name]) for name in names)

    def template_methods(self) -> Mapping[str, Function]:
        def remove(names: Strings) -> KV:
            return KV({name: self[name] for name in self if name not in names})

        return {
            **self.pairs().template_methods(),
            "SortedPairs": Function(self.pairs),
            "Remove": Function(remove, ("[]string",)),
        }


class Record(Struct):
    def __init__(self, go_type: str, **fields: Any) -> None:
        self.go_type, self.fields = go_type, fields

    def template_fields(self) -> Mapping[str, Any]:
        return self.fields


class Found(List):
    go_type = "[]template.Alert"


class Alerts(List):
    go_type = "template.Alerts"

    def template_methods(self) -> Mapping[str, Function]:
        def having(status: str) -> Any:
            return Function(lambda: Found(a for a in self if a.fields["Status"] == status))

        return {"Firing": having("firing"), "Resolved": having("resolved")}


def value() -> Record:
    alerts = Alerts(
        Record(
            "template.Alert",
            Status=each["status"],
            Labels=KV(each["labels"]),
            Annotations=KV(each["annotations"]),
        )
        for each in DATA["alerts"]
    )
    return Record(
        "template.Data",
        Receiver=DATA["receiver"],
        Status=DATA["status"],
        Alerts=alerts,
        GroupLabels=KV(DATA["groupLabels"]),
        CommonLabels=KV(DATA["commonLabels"]),
        CommonAnnotations=KV(DATA["commonAnnotations"]),
        ExternalURL=DATA["externalURL"],
    )


def ours(text: str) -> str:
    functions = {
        "toUpper": Function(str.upper, ("string",)),
        "stringSlice": Function(lambda *texts: Strings(texts), (), "string"),
    }
    templates = TemplateSet(functions, missing="zero")
    templates.add("file.tmpl", FILE)
    try:
        return templates.expand(text, value())
    except TemplateError as error:
        return f"error: {error}"


@pytest.mark.parametrize("text", TEXTS)
def test_renders_as_amtool_does(text: str, peers: Path, tmp_path: Path) -> None:
    (tmp_path / "file.tmpl").write_text(FILE)
    (tmp_path / "data.json").write_text(json.dumps(DATA))
    done = subprocess.run(
        [
            peers / "amtool",
            "template",
            "render",
            f"--template.glob={tmp_path}/*.tmpl",
            f"--template.data={tmp_path}/data.json",
            f"--template.text={text}",
        ],
        capture_output=True,
        text=True,
    )
    theirs = done.stdout if done.returncode == 0 else done.stderr.strip().removeprefix("amtool: ")
    assert ours(text) == theirs

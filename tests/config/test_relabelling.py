"""Relabelling of tables: against what each action means, one label set at a time."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.config import RelabelConfig, load_text
from promlab.config.relabelling import relabel
from promlab.model.labels import LabelTable, Symbols

Labels = dict[str, str]


def rules(text: str) -> tuple[RelabelConfig, ...]:
    config = f"scrape_configs: [{{job_name: a, relabel_configs: [{text}]}}]"
    return load_text(config).jobs[0].relabel_configs


def run(rows: list[Labels], *chain: RelabelConfig) -> list[tuple[int, Labels]]:
    table, kept = relabel(LabelTable.from_dicts(rows, Symbols()), chain)
    return list(zip(kept.tolist(), table.rows(), strict=True))


A = {"a": "foo", "b": "bar", "c": "baz"}


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("{source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch${1}'}",
         A, {**A, "d": "choo-choo"}),
        ("{source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: a, replacement: 'b$1${2}m'}",
         A, {**A, "a": "boobam"}),
        ("{source_labels: [a], regex: f, target_label: d}", A, A),
        ("{source_labels: [a], regex: 'f.*', target_label: b, replacement: ''}", A,
         {"a": "foo", "c": "baz"}),
        ("{source_labels: [a], regex: '(f)(.*)', target_label: '${2}x', replacement: '$1'}", A,
         {**A, "oox": "f"}),
        ("{source_labels: [nope], regex: '', target_label: d, replacement: x}", A, {**A, "d": "x"}),
        ("{source_labels: [a], target_label: d, replacement: '$1x'}", A, A),
        ("{source_labels: [a], target_label: d, replacement: '$$1$'}", A, {**A, "d": "$1$"}),
        ("{source_labels: [a], regex: '(?P<x>.).*', target_label: d, replacement: '$x${x}$no'}", A,
         {**A, "d": "ff"}),
        ("{source_labels: [a], regex: '(x)?foo', target_label: d, replacement: '<$1>'}", A,
         {**A, "d": "<>"}),
        ("{source_labels: [a], target_label: d, replacement: '$9'}", A, A),
        ("{source_labels: [m], target_label: d}", {"m": "two\nlines"},
         {"m": "two\nlines", "d": "two\nlines"}),
        ("{source_labels: [a], regex: 'f.*', action: keep}", A, A),
        ("{source_labels: [a], regex: 'f', action: keep}", A, None),
        ("{source_labels: [a], regex: 'f.*', action: drop}", A, None),
        ("{source_labels: [x, y], regex: ';', action: drop}", A, None),
        ("{source_labels: [a], target_label: b, action: keepequal}", A, None),
        ("{source_labels: [a], target_label: b, action: dropequal}", A, A),
        ("{source_labels: [x], target_label: y, action: keepequal}", A, A),
        ("{source_labels: [a], target_label: a, action: dropequal}", A, None),
        ("{regex: '(a|b)', replacement: 'x_$1', action: labelmap}", A,
         {**A, "x_a": "foo", "x_b": "bar"}),
        ("{regex: 'a|b', action: labeldrop}", A, {"c": "baz"}),
        ("{regex: 'a|b', action: labelkeep}", A, {"a": "foo", "b": "bar"}),
        ("{source_labels: [a, b], target_label: d, action: uppercase}", A, {**A, "d": "FOO;BAR"}),
        ("{source_labels: [g], target_label: d, action: uppercase}", {"g": "aß"},
         {"g": "aß", "d": "Aß"}),
        ("{source_labels: [g], target_label: d, action: lowercase}", {"g": "ÀB"},
         {"g": "ÀB", "d": "àb"}),
        ("{source_labels: [c], target_label: d, modulus: 1000, action: hashmod}", A,
         {**A, "d": str(int.from_bytes(hashlib.md5(b"baz").digest()[8:], "big") % 1000)}),
    ],
)  # fmt: skip
def test_action(rule: str, before: Labels, after: Labels | None) -> None:
    expected = [] if after is None else [(0, after)]
    assert run([before], *rules(rule)) == expected


def test_rules_follow_each_other_and_rows_are_told() -> None:
    rows = [{"a": "1"}, {"a": "2"}, {"a": "3"}, {}]
    chain = rules(
        "{source_labels: [a], regex: '2', action: drop},"
        "{source_labels: [a], regex: '(.+)', target_label: b},"
        "{source_labels: [b], regex: '1|3', action: keep},"
        "{regex: a, action: labeldrop}"
    )
    assert run(rows, *chain) == [(0, {"b": "1"}), (2, {"b": "3"})]


def test_nothing_to_do() -> None:
    assert run([], *rules("{source_labels: [a], action: keep, regex: x}")) == []
    assert run([{"a": "b"}]) == [(0, {"a": "b"})]


# A twin: one label set at a time, with Python's own regular expressions.


def twin_expand(template: str, match: re.Match[str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        if not name.isdecimal() or int(name) > match.re.groups:
            return ""
        return match[int(name)] or ""

    return re.sub(r"\$(?:\$|\{(\w+)\}|(\w+))", value, template)


def twin(labels: Labels, rule: RelabelConfig) -> Labels | None:
    regex = re.compile(rule.regex, re.DOTALL)
    text = rule.separator.join(labels.get(name, "") for name in rule.source_labels)
    match = regex.fullmatch(text)
    target = rule.target_label
    match rule.action:
        case "keep":
            return labels if match else None
        case "drop":
            return None if match else labels
        case "keepequal":
            return labels if labels.get(target, "") == text else None
        case "dropequal":
            return None if labels.get(target, "") == text else labels
        case "labeldrop":
            return {n: v for n, v in labels.items() if not regex.fullmatch(n)}
        case "labelkeep":
            return {n: v for n, v in labels.items() if regex.fullmatch(n)}
        case "labelmap":
            new = {
                twin_expand(rule.replacement, found): v
                for n, v in sorted(labels.items())
                if (found := regex.fullmatch(n))
            }
            return {**labels, **{n: v for n, v in new.items() if n}}
        case "lowercase":
            return {**labels, target: text.lower()}
        case "uppercase":
            return {**labels, target: text.upper()}
        case "hashmod":
            digest = hashlib.md5(text.encode()).hexdigest()
            return {**labels, target: str(int(digest[16:], 16) % rule.modulus)}
    if match is None:
        return labels
    target = twin_expand(target, match)
    return {**labels, target: twin_expand(rule.replacement, match)} if target else labels


NAMES = st.sampled_from(["a", "b", "c", "dd"])
VALUES = st.sampled_from(["", "a", "b", "ab", "b;a", "A\nb", ";"])
ROWS = st.lists(st.dictionaries(NAMES, VALUES), max_size=6)
RULES = st.builds(
    RelabelConfig,
    source_labels=st.lists(NAMES, max_size=3).map(tuple),
    separator=st.sampled_from([";", "", "b"]),
    target_label=st.sampled_from(["a", "b", "x", "${1}", "y$2"]),
    regex=st.sampled_from(["(.*)", "a.*", "(a)(b)?", "", "(.*)b", "[^a]*", "(.).*"]),
    modulus=st.integers(1, 50),
    replacement=st.sampled_from(["$1", "", "x$1y", "${2}a", "$$", "a"]),
    action=st.sampled_from(
        ["replace", "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap",
         "labeldrop", "labelkeep", "lowercase", "uppercase"]
    ),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(ROWS, st.lists(RULES, max_size=5))
def test_against_the_twin(rows: list[Labels], chain: list[RelabelConfig]) -> None:
    expected = []
    for i, row in enumerate(rows):
        labels: Labels | None = {n: v for n, v in row.items() if v}
        for rule in chain:
            if labels is not None:
                changed = twin(labels, rule)
                labels = None if changed is None else {n: v for n, v in changed.items() if v}
        if labels is not None:
            expected.append((i, labels))
    got = [(i, dict(labels)) for i, labels in run(rows, *chain)]
    assert got == expected

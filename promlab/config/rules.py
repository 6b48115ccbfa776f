"""Rule files: groups of recording and alerting rules, read as strictly as prometheus.yml.

    groups = load_rule_file("rules.yml", check_expr=parse, check_template=check)

What an expression or a template is this room does not know: the checks are handed in, and
their errors come back with the place in the file. Everything wrong in a file is found at once
by `rule_file_problems`; `load_rule_file` raises the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import yaml

from promlab.config import kinds
from promlab.config.document import At, parse, read_text
from promlab.config.kinds import Kind
from promlab.config.section import Section, keys, opt, record, sections
from promlab.errors import ConfigError, PromlabError

CheckExpr = Callable[[str], object]
CheckTemplate = Callable[[str, str], object]  # name of the alert, text


def _optional_duration(at: At) -> int | None:
    return kinds.duration(at)


optional_duration: Kind[int | None] = Kind(
    _optional_duration,
    lambda ms: None if ms is None else kinds.duration.write(ms),
    None,
    shape=kinds.DURATION,
)


def _texts(at: At) -> Mapping[str, str]:
    return {name: value.text() for name, (_, value) in at.entries().items()}


# Names are checked afterwards, in Prometheus' words.
texts: Kind[Mapping[str, str]] = Kind(
    _texts,
    lambda found: dict(sorted(found.items())),
    {},
    shape={"type": ["object", "null"], "additionalProperties": kinds.TEXT},
)


@record
class RuleConfig(Section):
    """One rule: `record` or `alert` says of which kind."""

    record: str = opt(kinds.string, "")
    alert: str = opt(kinds.string, "")
    expr: str = opt(kinds.string, "")
    for_ms: int = opt(kinds.duration, 0, key="for")
    keep_firing_for_ms: int = opt(kinds.duration, 0, key="keep_firing_for")
    labels: Mapping[str, str] = opt(texts, {})
    annotations: Mapping[str, str] = opt(texts, {})

    @property
    def name(self) -> str:
        """The name of what it records, or of the alert."""
        return self.record or self.alert


@record
class RuleGroupConfig(Section):
    """Rules that are evaluated together; 0 and None stand for what `global` says."""

    name: str = opt(kinds.string, "")
    interval_ms: int = opt(kinds.duration, 0, key="interval")
    query_offset_ms: int | None = opt(optional_duration, None, key="query_offset")
    limit: int = opt(kinds.integer, 0)
    labels: Mapping[str, str] = opt(texts, {})
    rules: tuple[RuleConfig, ...] = opt(sections(RuleConfig, "empty or null rule"), ())


@record
class RuleFile(Section):
    """The groups of one file."""

    groups: tuple[RuleGroupConfig, ...] = opt(
        sections(RuleGroupConfig, "empty or null rule group"), ()
    )


@dataclass(frozen=True, slots=True)
class Checks:
    """What a file is held against; `legacy` names have ASCII letters, digits and _ only."""

    expr: CheckExpr
    template: CheckTemplate
    legacy: bool = False
    ignore_unknown: bool = False


def load_rule_file(
    path: str | Path,
    *,
    check_expr: CheckExpr,
    check_template: CheckTemplate,
    legacy: bool = False,
    ignore_unknown: bool = False,
) -> tuple[RuleGroupConfig, ...]:
    """The groups of a file.

    Raises ConfigError, whose text is one line with file, line, column and field, for the first
    thing that is wrong. `ignore_unknown` lets fields pass that a rule file does not have.
    """
    checks = Checks(check_expr, check_template, legacy, ignore_unknown)
    return load_rule_text(read_text(path), path, checks)


def load_rule_text(text: str, path: str | Path, checks: Checks) -> tuple[RuleGroupConfig, ...]:
    """The groups in a text."""
    groups, at = _read(text, path, checks)
    for problem in _problems(groups, at, checks):
        raise problem
    return groups


def rule_file_problems(text: str, path: str | Path, checks: Checks) -> list[ConfigError]:
    """Everything that is wrong with a file; only the first if it can't be read at all."""
    return examine_rule_text(text, path, checks)[1]


def examine_rule_text(
    text: str, path: str | Path, checks: Checks
) -> tuple[tuple[RuleGroupConfig, ...], list[ConfigError]]:
    """The groups in a text, and everything that is wrong with them."""
    try:
        groups, at = _read(text, path, checks)
    except ConfigError as error:
        return (), [error]
    return groups, list(_problems(groups, at, checks))


def _read(text: str, path: str | Path, checks: Checks) -> tuple[tuple[RuleGroupConfig, ...], At]:
    at = parse(text, str(path))
    if checks.ignore_unknown:
        at = _known_only(at, RuleFile)
    groups = RuleFile.read(at).groups
    # A scalar null is refused by the section itself; labels of a group are those of its rules.
    return tuple(
        replace(group, rules=tuple(_with_labels(rule, group) for rule in group.rules))
        for group in groups
    ), at


def _with_labels(rule: RuleConfig, group: RuleGroupConfig) -> RuleConfig:
    if not group.labels:
        return rule
    return replace(rule, labels={**group.labels, **rule.labels})


_BELOW: dict[type[Section], tuple[str, type[Section]]] = {
    RuleFile: ("groups", RuleGroupConfig),
    RuleGroupConfig: ("rules", RuleConfig),
}


def _known_only(at: At, cls: type[Section]) -> At:
    """The same without fields that a section does not have."""
    if not isinstance(at.node, yaml.MappingNode):
        return at
    known = keys(cls)
    kept = [
        (key_at.node, value.node) for key, (key_at, value) in at.entries().items() if key in known
    ]
    if cls in _BELOW:
        name, below = _BELOW[cls]
        kept = [
            (key, _all_known(value, below, at) if key.value == name else value)
            for key, value in kept
        ]
    mark = at.node.start_mark
    return replace(at, node=yaml.MappingNode(at.node.tag, kept, mark, at.node.end_mark))


def _all_known(node: yaml.Node, cls: type[Section], at: At) -> yaml.Node:
    if not isinstance(node, yaml.SequenceNode):
        return node
    items = [_known_only(replace(at, node=item), cls).node for item in node.value]
    return yaml.SequenceNode(node.tag, items, node.start_mark, node.end_mark)


def _problems(groups: tuple[RuleGroupConfig, ...], at: At, checks: Checks) -> Iterator[ConfigError]:
    names: set[str] = set()
    places = at.get("groups").items() if groups else []
    for group, place in zip(groups, places, strict=True):
        yield from _caught(_check_group, group, place, names)
        yield from _of_labels(group.labels, place, checks.legacy)
        rules = place.get("rules").items() if group.rules else []
        for rule, rule_at in zip(group.rules, rules, strict=True):
            yield from _of_rule(rule, rule_at, checks)


def _caught(check: Callable[..., object], *args: object) -> Iterator[ConfigError]:
    try:
        check(*args)
    except ConfigError as error:
        yield error


def _check_group(group: RuleGroupConfig, at: At, names: set[str]) -> None:
    if not group.name:
        at.fail("Groupname must not be empty")
    if group.name in names:
        at.get("name").fail(f'groupname: "{group.name}" is repeated in the same file')
    names.add(group.name)


def _of_rule(rule: RuleConfig, at: At, checks: Checks) -> Iterator[ConfigError]:
    yield from _caught(_check_kind, rule, at)
    yield from _caught(_check_expr, rule, at, checks.expr)
    if rule.record:
        yield from _caught(_check_record, rule, at, checks.legacy)
    yield from _of_labels(_own(rule.labels, at), at, checks.legacy)
    for name in rule.annotations:
        if not kinds.is_label_name(name, legacy=checks.legacy):
            yield from _caught(
                at.get("annotations").get(name).fail, f"invalid annotation name: {name}"
            )
    if rule.alert:
        for section, found in (("labels", rule.labels), ("annotations", rule.annotations)):
            for name, text in found.items():
                yield from _caught(_check_template, rule, section, name, text, at, checks.template)


def _own(labels: Mapping[str, str], at: At) -> Mapping[str, str]:
    """Labels that stand in the rule itself, not in its group."""
    written = at.get("labels").entries() if "labels" in at.entries() else {}
    return {name: text for name, text in labels.items() if name in written}


def _check_kind(rule: RuleConfig, at: At) -> None:
    if rule.record and rule.alert:
        at.get("alert").fail("only one of 'record' and 'alert' must be set")
    if not rule.record and not rule.alert:
        at.fail("one of 'record' or 'alert' must be set")


def _check_expr(rule: RuleConfig, at: At, check: CheckExpr) -> None:
    if not rule.expr:
        at.fail("field 'expr' must be set in rule")
    try:
        check(rule.expr)
    except PromlabError as error:
        at.get("expr").fail(f"could not parse expression: {error}")


def _check_record(rule: RuleConfig, at: At, legacy: bool) -> None:
    for field, found in (
        ("annotations", rule.annotations),
        ("for", rule.for_ms),
        ("keep_firing_for", rule.keep_firing_for_ms),
    ):
        if found:
            at.get(field).fail(f"invalid field '{field}' in recording rule")
    name_at = at.get("record")
    # A metric's name may have colons beside what a label's may.
    if not kinds.is_label_name(rule.record.replace(":", "_"), legacy=legacy):
        name_at.fail(f"invalid recording rule name: {rule.record}")
    if any(brace in rule.record for brace in "{}"):
        name_at.fail(
            "braces present in the recording rule name; should it be in expr?: " + rule.record
        )


def _of_labels(labels: Mapping[str, str], at: At, legacy: bool) -> Iterator[ConfigError]:
    for name, text in labels.items():
        if not kinds.is_label_name(name, legacy=legacy) or name == "__name__":
            yield from _caught(at.get("labels").get(name).fail, f"invalid label name: {name}")
        if any("\ud800" <= char <= "\udfff" for char in text):
            yield from _caught(at.get("labels").get(name).fail, f"invalid label value: {text!r}")


def _check_template(
    rule: RuleConfig,
    section: str,
    name: str,
    text: str,
    at: At,
    check: CheckTemplate,
) -> None:
    what = section.removesuffix("s")
    try:
        check(rule.alert, text)
    except PromlabError as error:
        _fail_at(at, section, name, f'{what} "{name}": {error}')


def _fail_at(at: At, section: str, name: str, message: str) -> NoReturn:
    written = at.get(section).entries() if section in at.entries() else {}
    (written[name][1] if name in written else at).fail(message)

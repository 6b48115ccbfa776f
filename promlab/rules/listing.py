"""The answer of /api/v1/rules: groups and rules filtered, page by page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promlab.errors import PromlabError
from promlab.model.matchers import Matcher
from promlab.rules.group import Group
from promlab.rules.rule import Rule
from promlab.rules.status import group_status, rule_status

KINDS = {"": "", "alert": "alerting", "record": "recording"}


class BadListing(PromlabError):
    """A parameter that asks for nothing that can be: the API's bad_data."""

    def __init__(self, parameter: str, message: str) -> None:
        self.parameter = parameter
        super().__init__(f'invalid parameter "{parameter}": {message}')


@dataclass(frozen=True, slots=True)
class RulesQuery:
    """Parameters of the request; empty ones let everything pass.

    `kind` is "alert" or "record"; of `matchers` (one list for each match[]) one must fit the
    labels that a rule is defined with; `group_limit` is how many groups a page has.
    """

    kind: str = ""
    rule_names: Sequence[str] = ()
    group_names: Sequence[str] = ()
    files: Sequence[str] = ()
    matchers: Sequence[Sequence[Matcher]] = ()
    exclude_alerts: bool = False
    group_limit: int = 0
    group_next_token: str = ""

    def passes(self, rule: Rule) -> bool:
        """Whether a rule is wanted."""
        if self.kind and rule.kind != KINDS[self.kind]:
            return False
        if self.rule_names and rule.name not in self.rule_names:
            return False
        return not self.matchers or any(_fit(one, rule.labels) for one in self.matchers)

    def passes_group(self, group: Group) -> bool:
        """Whether a group is wanted, its rules aside."""
        named = not self.group_names or group.name in self.group_names
        return named and (not self.files or group.file in self.files)


def list_rules(groups: Sequence[Group], query: RulesQuery) -> dict[str, Any]:
    """`data` of the answer. Raises BadListing."""
    if query.kind not in KINDS:
        raise BadListing("type", f'not supported value "{query.kind}"')
    if query.group_limit < 0:
        raise BadListing("group_limit", "group_limit needs to be greater than 0")
    if query.group_next_token and not query.group_limit:
        raise BadListing(
            "group_next_token",
            "group_limit needs to be present in order to paginate over the groups",
        )
    shown: list[dict[str, Any]] = []
    found = not query.group_next_token
    for group in groups:
        found = found or next_token(group) == query.group_next_token
        if not found or not query.passes_group(group):
            continue
        rules = [rule for rule in group.rules if query.passes(rule)]
        if not rules:
            continue
        if query.group_limit and len(shown) == query.group_limit:
            return {"groups": shown, "groupNextToken": next_token(group)}
        one = group_status(group, exclude_alerts=True)
        one["rules"] = [rule_status(r, exclude_alerts=query.exclude_alerts) for r in rules]
        shown.append(one)
    if not found:
        raise BadListing(
            "group_next_token",
            f"invalid group_next_token '{query.group_next_token}'. were rule groups changed?",
        )
    return {"groups": shown}


def next_token(group: Group) -> str:
    """What names a group as the first of the next page."""
    name = f"{group.file};{group.name}".encode(errors="replace")
    return hashlib.sha256(name).hexdigest()


def _fit(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)

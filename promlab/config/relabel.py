"""A relabelling rule, as it stands in a configuration; `relabelling` applies it."""

from __future__ import annotations

import re

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.section import Section, opt, record
from promlab.model.matchers import BadRegex, compile_regex

ACTIONS = (
    "replace", "keep", "drop", "keepequal", "dropequal", "hashmod",
    "labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase",
)  # fmt: skip
_EQUAL = ("keepequal", "dropequal")
_BY_NAME = ("labeldrop", "labelkeep")
_CASE = ("lowercase", "uppercase")
# A target may be a template: $1, ${1} or ${name} stand for a group.
_TEMPLATE_VARIABLE = re.compile(r"\$(?:\{\w+\}|\w+)")


def _regex(at: At) -> str:
    text = at.text()
    try:
        compile_regex(text)
    except BadRegex as error:
        at.fail(f"{error}: {text!r}")
    return text


def _action(at: At) -> str:
    text = at.text().lower()
    if text not in ACTIONS:
        at.fail(f"unknown relabel action {at.text()!r}: it must be one of {', '.join(ACTIONS)}")
    return text


# KEEP is keep; editors offer the small ones.
_ANY_CASE = "|".join("".join(f"[{c}{c.upper()}]" for c in name) for name in ACTIONS)
regex: Kind[str] = Kind(_regex, lambda text: text, "")
action: Kind[str] = Kind(
    _action,
    lambda text: text,
    "",
    shape={"anyOf": [{"enum": ACTIONS}, {"type": "string", "pattern": f"^({_ANY_CASE})$"}]},
)


@record
class RelabelConfig(Section):
    """One rule: what to look at, what to match, and what to do then."""

    source_labels: tuple[str, ...] = opt(kinds.list_of(kinds.label_name), ())
    separator: str = opt(kinds.string, ";", always=True)
    target_label: str = opt(kinds.string, "")
    regex: str = opt(regex, "(.*)")
    modulus: int = opt(kinds.unsigned, 0)
    replacement: str = opt(kinds.string, "$1", always=True)
    action: str = opt(action, "replace", always=True)

    def check(self, at: At) -> None:
        """Fields that the action needs, and fields that mean nothing to it."""
        if not self.action:
            at.get("action").fail("relabel action cannot be empty")
        if self.modulus == 0 and self.action == "hashmod":
            at.fail("relabel configuration for hashmod requires non-zero modulus")
        needs_target = ("replace", "hashmod", *_CASE, *_EQUAL)
        if self.action in needs_target and not self.target_label:
            at.fail(f"relabel configuration for {self.action} action requires 'target_label' value")
        self._check_names(at)
        self._check_unused(at)

    def _check_names(self, at: At) -> None:
        if self.action == "replace" and _TEMPLATE_VARIABLE.search(self.target_label):
            return
        if self.action in ("replace", "hashmod", *_CASE, *_EQUAL):
            if not kinds.is_label_name(self.target_label):
                at.get("target_label").fail(f"{self.target_label!r} is not a valid label name")
        elif self.action == "labelmap" and not kinds.is_label_name(self.replacement):
            at.get("replacement").fail(f"{self.replacement!r} is not a valid label name")

    def _check_unused(self, at: At) -> None:
        if self.action in _CASE and self.replacement != _DEFAULT.replacement:
            at.get("replacement").fail(f"'replacement' can not be set for {self.action} action")
        allowed: tuple[str, ...] = ()
        if self.action in _EQUAL:
            allowed, text = ("source_labels", "target_label"), "'source_labels' and 'target_label'"
        elif self.action in _BY_NAME:
            allowed, text = ("regex",), "'regex'"
        if not allowed:
            return
        for name in (
            "source_labels",
            "separator",
            "target_label",
            "regex",
            "modulus",
            "replacement",
        ):
            if name not in allowed and getattr(self, name) != getattr(_DEFAULT, name):
                at.get(name).fail(f"{self.action} action requires only {text}, and no other fields")


_DEFAULT = RelabelConfig()

"""Inhibition rules as they are written."""

from __future__ import annotations

from promlab.alertmanager.config import kinds as own
from promlab.config import kinds
from promlab.config.section import Section, opt, record
from promlab.model.matchers import Matcher


@record
class InhibitRuleConfig(Section):
    """Alerts that match `source` mute those that match `target`, if `equal` labels are equal."""

    name: str = opt(kinds.string, "")
    source_match: tuple[Matcher, ...] = opt(own.match, ())
    source_match_re: tuple[Matcher, ...] = opt(own.match_re, ())
    source_matchers: tuple[Matcher, ...] = opt(own.matchers, ())
    target_match: tuple[Matcher, ...] = opt(own.match, ())
    target_match_re: tuple[Matcher, ...] = opt(own.match_re, ())
    target_matchers: tuple[Matcher, ...] = opt(own.matchers, ())
    equal: tuple[str, ...] = opt(own.equal_names, ())

    @property
    def source(self) -> tuple[Matcher, ...]:
        """All that a source must match."""
        return (*self.source_match, *self.source_match_re, *self.source_matchers)

    @property
    def target(self) -> tuple[Matcher, ...]:
        """All that a target must match."""
        return (*self.target_match, *self.target_match_re, *self.target_matchers)

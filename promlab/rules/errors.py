"""What goes wrong when a rule is evaluated."""

from __future__ import annotations

from promlab.errors import PromlabError


class RuleError(PromlabError):
    """A rule whose result can't be used: the text is its lastError."""

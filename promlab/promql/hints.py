"""Advice for beginners' mistakes."""

from __future__ import annotations

from promlab.errors import PromQLSyntaxError


def hint_for(text: str, error: PromQLSyntaxError) -> str:
    """What to do about the error; "" where there is nothing to add."""
    return ""

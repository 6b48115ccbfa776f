"""Secrets that are named as files."""

from __future__ import annotations

from pathlib import Path

from promlab.errors import ScrapeError


def read_secret(path: str) -> str:
    """The text of a file with a secret, blanks around it removed; "" for no path."""
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not valid UTF-8"
        raise ScrapeError(f"unable to read file {path}: {reason.lower()}") from None

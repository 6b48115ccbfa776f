"""Test modules have names of their own: pytest imports them by name, without their folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent


def test_no_two_modules_have_one_name() -> None:
    names = Counter(path.name for path in TESTS.rglob("*.py"))
    shared = {"__init__.py", "conftest.py"}
    assert [name for name, count in names.items() if count > 1 and name not in shared] == []

"""docs/compatibility.md is what its rows say, and the rows name tests that are there."""

from __future__ import annotations

from scripts.compatibility import PAGE, missing_tests, render
from scripts.compatibility_rows import HOLDS, MISSING, SECTIONS


def test_every_test_that_a_row_names_is_there() -> None:
    assert missing_tests() == []


def test_what_holds_is_shown_by_a_test_and_what_does_not_is_explained() -> None:
    for rows in SECTIONS.values():
        for row in rows:
            assert row.tests or row.state == MISSING, row.what
            assert row.state == HOLDS or row.remark or row.tests, row.what


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "run python -m scripts.compatibility"

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promlab.model.matchers import (
    BadRegex,
    Matcher,
    MatchType,
    all_match_empty,
    alternatives,
    compile_regex,
)

CASES = [
    ("=", "a", "a", True),
    ("=", "a", "b", False),
    ("!=", "a", "b", True),
    ("!=", "a", "a", False),
    ("=~", "a|b", "b", True),
    ("=~", "a|b", "ab", False),
    ("=~", "a", "xa", False),
    ("=~", "a.c", "a\nc", True),
    ("=~", "(?i)ABC", "abc", True),
    ("!~", "a.*", "abc", False),
    ("!~", "a.*", "xabc", True),
    ("=~", "", "", True),
    ("=~", "ü+", "üü", True),
]


@pytest.mark.parametrize(("operator", "value", "text", "passes"), CASES)
def test_matches(operator: str, value: str, text: str, passes: bool) -> None:
    assert Matcher("l", MatchType(operator), value).matches(text) is passes


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "(?<=a)b", r"(a)\1", "*"])
def test_what_re2_refuses_is_a_clear_error(pattern: str) -> None:
    with pytest.raises(BadRegex, match="error parsing regexp"):
        Matcher("l", MatchType.REGEX, pattern)


def test_catastrophic_pattern_is_linear() -> None:
    assert not Matcher("l", MatchType.REGEX, "(a*)*(a*)*(a*)*b").matches("a" * 50_000)


def test_prints_as_promql() -> None:
    assert str(Matcher("l", MatchType.NOT_REGEX, 'a"\\\n')) == 'l!~"a\\"\\\\\\n"'


def test_all_match_empty() -> None:
    anything = Matcher("a", MatchType.REGEX, ".*")
    something = Matcher("a", MatchType.REGEX, ".+")
    assert all_match_empty([anything])
    assert not all_match_empty([anything, something])


@pytest.mark.parametrize(
    ("pattern", "listed"),
    [
        ("", {""}),
        ("a", {"a"}),
        ("a|bc|", {"a", "bc", ""}),
        (r"10\.0\.0\.1:9100|b-c", {"10.0.0.1:9100", "b-c"}),
        (r"a\|b", {"a|b"}),
        (r"a\d", None),
        ("a.", None),
        ("(a|b)", None),
        ("a+|b", None),
        ("[a]", None),
    ],
)
def test_alternatives(pattern: str, listed: set[str] | None) -> None:
    assert alternatives(pattern) == listed


@given(st.text("ab|\\.-é_/d\n (", max_size=9), st.text("ab|.-é_/d\n", max_size=5))
@example("a|b\\.c", "b.c")
def test_alternatives_are_all_that_re2_matches(pattern: str, text: str) -> None:
    try:
        expression = compile_regex(pattern)
    except BadRegex:
        return
    listed = alternatives(pattern)
    if listed is not None:
        assert all(expression.fullmatch(one) for one in listed)
        assert (text in listed) == (expression.fullmatch(text) is not None)

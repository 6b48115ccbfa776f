from __future__ import annotations

import inspect

import promlab.errors as errors
from promlab.errors import ConfigError, PromlabError, PromQLSyntaxError, TooManySamples

CLASSES = [
    c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
]


def test_one_root_and_every_class_is_described() -> None:
    assert errors.__doc__ is not None
    for error in CLASSES:
        assert issubclass(error, PromlabError)
        assert error.__doc__
        assert error.__name__ in errors.__doc__, f"{error.__name__} is not in the tree"


def test_config_error_says_where() -> None:
    error = ConfigError("unknown field", path="p.yml", line=3, column=5, field="global.x")
    assert str(error) == "p.yml:3:5: global.x: unknown field"
    assert str(ConfigError("empty")) == "empty"


def test_syntax_error_has_position_and_caret() -> None:
    query = "sum(\n  rate(up)\n)"
    error = PromQLSyntaxError("expected a range vector", query=query, start=12, end=14)
    assert str(error) == "2:8: parse error: expected a range vector"
    assert error.caret() == "  rate(up)\n       ^^"


def test_notebook_shows_message_caret_and_hint_instead_of_a_traceback() -> None:
    error = PromQLSyntaxError("bad", query="up{", start=3, hint="Close the brace.")
    assert error._render_traceback_() == [
        "PromQLSyntaxError: bad",
        "",
        "    up{",
        "       ^",
        "",
        "Close the brace.",
    ]


def test_limit_is_named() -> None:
    assert "50,000,000" in TooManySamples(50_000_000).hint

"""The template language by itself: values, scopes, limits, hostile templates and data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.templating import (
    Function,
    FunctionError,
    Limits,
    StringMap,
    Struct,
    Template,
    TemplateError,
    TemplateLimit,
    TemplateSet,
    TemplateSyntaxError,
)
from promlab.templating.floats import shortest
from promlab.templating.parser import parse
from promlab.templating.prometheus import FUNCTION_NAMES, AlertData, AlertTemplate
from promlab.templating.prometheus import functions as alert_functions


class Box(Struct):
    go_type = "main.Box"

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def template_fields(self) -> dict[str, Any]:
        return self.fields

    def template_methods(self) -> dict[str, Function]:
        return {
            "Join": Function("-".join, ("[]interface {}",)),
            "Twice": Function(lambda x: x * 2, ("int",)),
        }


def run(text: str, value: Any = None, **options: Any) -> str:
    return Template("t", text, **options).execute(value)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{{ .a.b }}", {"a": {"b": 1}}, "1"),
        ("{{ .a.b.c }}", {}, "<no value>"),
        ("{{ range . }}{{ . }},{{ end }}", [1, 2.5, "x", None, True], "1,2.5,x,<no value>,true,"),
        ("{{ range $k, $v := . }}{{ $k }}{{ $v }}{{ end }}", {"b": 1, "a": 2}, "a2b1"),
        ("{{ range $i, $_ := . }}{{ $i }}{{ else }}none{{ end }}", [], "none"),
        ("{{ .Name }} {{ .Twice 4 }} {{ 4 | .Twice }}", Box(Name="x"), "x 8 8"),
        ("{{ . }}", Box(a=1, b="x"), "{1 x}"),
        ('{{ printf "%+v" . }}', Box(a=1, b="x"), "{a:1 b:x}"),
        ("{{ . }}", {"b": [1, "x"], "a": {"c": 1.5}}, "map[a:map[c:1.5] b:[1 x]]"),
        ("{{ index . 1 0 }}", [1, [2, 3]], "2"),
        ("{{ slice . 1 2 }}", [1, 2, 3], "[2]"),
        ("{{ len . }}", {"a": 1}, "1"),
        ("{{ with $x := .a }}{{ $x }}{{ end }}", {"a": 3}, "3"),
        ("{{ $.a }}{{ with .a }}{{ $.b }}{{ end }}", {"a": 1, "b": 2}, "12"),
        ("{{ and .a .b }}|{{ or .a .b }}", {"a": "", "b": 2}, "|2"),
    ],
)  # fmt: skip
def test_values(text: str, value: Any, expected: str) -> None:
    assert run(text, value) == expected


def test_what_a_missing_key_gives() -> None:
    data = {"m": StringMap(a="1"), "d": {}}
    assert run("{{ .m.x }}{{ .d.x }}", data) == "<no value><no value>"
    assert run("{{ .m.x }}{{ .d.x }}", data, missing="zero") == "<no value>"
    with pytest.raises(TemplateError, match='map has no entry for key "x"'):
        run("{{ .m.x }}", data, missing="error")


def test_an_error_tells_file_line_column_and_what() -> None:
    with pytest.raises(TemplateError) as caught:
        run('a\n{{ define "in" }}\n é {{ .x.y }}{{ end }}{{ template "in" . }}', {"x": 1})
    assert str(caught.value) == (
        'template: t:3:9: executing "in" at <.x.y>: can\'t evaluate field y in type int'
    )
    assert (caught.value.line, caught.value.column) == (3, 9)
    with pytest.raises(TemplateSyntaxError, match=r'^template: t:2: function "f" not defined$'):
        run("\n{{ f }}")


def test_templates_of_a_set_use_each_other() -> None:
    templates = TemplateSet({"hi": Function(lambda: "hi")})
    templates.add("a.tmpl", '{{ define "one" }}[{{ . }}]{{ end }}')
    templates.add("b.tmpl", '{{ define "two" }}{{ template "one" . }}{{ hi }}{{ end }}')
    assert templates.names == ["a.tmpl", "b.tmpl", "one", "two"]
    assert templates.execute("two", 5) == "[5]hi"
    assert templates.expand('{{ template "two" .x }}!', {"x": 1}) == "[1]hi!"
    # A text that defines a name again changes it for itself only.
    assert templates.expand('{{ define "one" }}x{{ end }}{{ template "two" }}', 1) == "xhi"
    assert templates.execute("two", 5) == "[5]hi"
    with pytest.raises(TemplateError, match="no template"):
        templates.execute("three", 1)


def test_functions_can_be_replaced_for_an_execution() -> None:
    template = Template("t", "{{ f 2 }}", {"f": Function(lambda x: x, ("int",))})
    assert template.execute() == "2"
    assert template.execute(None, {"f": Function(lambda x: x + 1, ("int",))}) == "3"


def test_an_error_of_a_function_is_one_of_the_template() -> None:
    def fail() -> str:
        raise FunctionError("no")

    with pytest.raises(TemplateError, match="at <f>: error calling f: no"):
        run("{{ f }}", functions={"f": Function(fail)})


BOMBS = [
    "{{ range 999999999999 }}{{ end }}",
    "{{ range 99999 }}{{ range 99999 }}{{ end }}{{ end }}",
    "{{ range 99999999 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}",
    '{{ define "r" }}{{ template "r" }}{{ end }}{{ template "r" }}',
    '{{ define "a" }}{{ template "b" }}{{ end }}{{ define "b" }}{{ template "a" }}{{ end }}'
    '{{ template "a" }}',
    '{{ $x := "aaaaaaaa" }}{{ range 99 }}{{ $x = printf "%s%s" $x $x }}{{ end }}',
    '{{ $x := "aaaaaaaa" }}{{ range 99 }}{{ $x = print $x $x }}{{ end }}',
    '{{ range 999 }}{{ printf "%999999d" 1 }}{{ end }}',
    '{{ printf "%1000000d%1000000d%1000000d" 1 2 3 }}',
    '{{ $x := "a" }}{{ range 18 }}{{ $x = print $x $x }}{{ end }}'
    '{{ reReplaceAll "" $x $x }}',
    '{{ $x := "aaa" }}{{ range 16 }}{{ $x = print $x $x }}{{ end }}'
    '{{ reReplaceAll ".*" "$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0" $x }}',
]  # fmt: skip


@pytest.mark.parametrize("text", BOMBS)
def test_bombs_end_soon(text: str) -> None:
    template = AlertTemplate("bomb", text, Limits(max_steps=100_000))
    data = AlertData({}, 1.0, {}, "")
    with pytest.raises(TemplateError, match=r"was stopped|is longer than"):
        template.expand(data, alert_functions(lambda text: [], 0.0, ""))


@pytest.mark.parametrize(
    "text", ["{{ (" * 500, "{{ if 1 }}" * 500, "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"]
)
def test_deep_texts_are_refused(text: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=r"nested deeper than 100|unexpected"):
        run(text)


def test_long_texts_are_refused() -> None:
    with pytest.raises(TemplateSyntaxError, match="longer than"):
        run("x" * (1 << 20) + "x")


def test_a_limit_says_which() -> None:
    with pytest.raises(TemplateLimit, match="takes more than 50 steps"):
        run("{{ range 100 }}{{ end }}", limits=Limits(max_steps=50))
    with pytest.raises(TemplateLimit, match="longer than 3 characters"):
        run("abcd", limits=Limits(max_output=3))
    with pytest.raises(TemplateLimit, match="takes longer than 0s"):
        run("{{ range 1000 }}{{ end }}", limits=Limits(time_s=0))


@pytest.mark.parametrize(
    "text", ["{{ .__class__ }}", "{{ .fields }}", "{{ .go_type }}", "{{ .Join.__globals__ }}"]
)
def test_nothing_of_python_is_reached(text: str) -> None:
    with pytest.raises(TemplateError):
        run(text, Box(Name=1))


@pytest.mark.shared
def test_functions_of_the_contract(shared: Path) -> None:
    features = json.loads((shared / "contract" / "features.json").read_text())
    assert set(features["templating_functions"]) == FUNCTION_NAMES


_PIECES = st.lists(
    st.sampled_from(
        [
            "{{", "}}", "{{-", "-}}", " ", "if ", "range ", "end", "else", ".", ".a", "$", "$x",
            ":=", "=", "|", "(", ")", '"s"', "`r`", "'c'", "1", "1.5", "nil", "true", "print ",
            "/*", "*/", "define ", "template ", "with ", "break", "continue", ",", "\n", "é", "\0",
        ]
    ),
    max_size=30,
)  # fmt: skip


@settings(deadline=None)
@given(_PIECES)
def test_any_text_parses_or_is_refused(pieces: list[str]) -> None:
    try:
        definitions = parse("t", "".join(pieces), {"print"})
    except TemplateSyntaxError as error:
        assert str(error).startswith("template: t:")  # noqa: PT017  (both ways are right)
    else:
        assert definitions[0].name == "t"


@settings(deadline=None)
@given(st.floats())
def test_shortest_digits_read_back(value: float) -> None:
    text = shortest(value)
    assert value != value or float(text) == value


@settings(deadline=None)
@given(st.text())
def test_text_without_actions_stays(text: str) -> None:
    if "{{" not in text:
        assert run(text) == text

"""Each row of the checklist: what is accepted, as which series, and what is refused."""

from __future__ import annotations

import exposition_checklist as checklist
import pytest

from promlab.errors import ExpositionError
from promlab.exposition.body_parser import BodyParser, ParsedBody
from promlab.exposition.formats import Format
from promlab.model.float_text import format_float
from promlab.model.labels import Symbols


def text(body: bytes) -> ParsedBody:
    return BodyParser(Symbols()).parse(body, Format.TEXT)


def openmetrics(body: bytes) -> ParsedBody:
    return BodyParser(Symbols()).parse(body, Format.OPENMETRICS)


@pytest.mark.parametrize(("body", "series"), checklist.TEXT_ACCEPTED)
def test_text_accepted(body: bytes, series: list[dict[str, str]] | None) -> None:
    parsed = text(body)
    if series is not None:
        assert list(parsed.layout.labels.rows()) == series


@pytest.mark.parametrize("body", checklist.TEXT_REFUSED)
def test_text_refused(body: bytes) -> None:
    with pytest.raises(ExpositionError) as caught:
        text(b"first 1\n" + body)
    assert caught.value.line_no >= 2


@pytest.mark.parametrize(("body", "series"), checklist.OPENMETRICS_ACCEPTED)
def test_openmetrics_accepted(body: bytes, series: list[dict[str, str]] | None) -> None:
    parsed = openmetrics(body + b"# EOF\n")
    if series is not None:
        assert list(parsed.layout.labels.rows()) == series


@pytest.mark.parametrize("body", checklist.OPENMETRICS_REFUSED)
def test_openmetrics_refused(body: bytes) -> None:
    with pytest.raises(ExpositionError) as caught:
        openmetrics(b"first 1\n" + body + b"# EOF\n")
    assert caught.value.line_no >= 2


@pytest.mark.parametrize(("body", "good"), checklist.OPENMETRICS_ENDS)
def test_openmetrics_ends(body: bytes, good: bool) -> None:
    if good:
        openmetrics(body)
    else:
        with pytest.raises(ExpositionError):
            openmetrics(body)


@pytest.mark.parametrize(("token", "value"), checklist.NUMBERS)
def test_numbers(token: str, value: str | None) -> None:
    for parse, end in ((text, ""), (openmetrics, "# EOF\n")):
        body = f"a {token}\n{end}".encode()
        if value is None:
            with pytest.raises(ExpositionError):
                parse(body)
        else:
            assert format_float(float(parse(body).values[0])) == value


@pytest.mark.parametrize(("written", "stored"), checklist.BOUNDS)
def test_bounds(written: str, stored: str) -> None:
    for parse, end in ((text, ""), (openmetrics, "# EOF\n")):
        body = f'# TYPE a histogram\na_bucket{{le="{written}"}} 1\n{end}'.encode()
        assert parse(body).layout.labels.row(0) == {"__name__": "a_bucket", "le": stored}


@pytest.mark.parametrize(("strict", "body"), checklist.DIFFERENT)
def test_what_promlab_refuses_on_its_own(strict: bool, body: bytes) -> None:
    with pytest.raises(ExpositionError):
        (openmetrics if strict else text)(body)


def test_blanks_before_a_name_are_not_part_of_it() -> None:
    assert text(b" \ta 1\n").layout.labels.row(0) == {"__name__": "a"}


def test_metadata() -> None:
    body = b'# HELP a x\\\\y\\nz\\q\\"\n# TYPE a gauge\n# TYPE a counter\n# HELP b\n# HELP c  two\n'
    found = text(body).layout.metadata
    shown = {name: (m.type.value, m.help, m.unit) for name, m in found.items()}
    assert shown == {
        "a": ("counter", 'x\\y\nz\\q\\"', ""),
        "b": ("unknown", "", ""),
        "c": ("unknown", " two", ""),
    }


def test_openmetrics_metadata() -> None:
    body = (
        b'# UNIT a_s s\n# TYPE a_s info\n# HELP a_s x\\\\y\\nz\\"w\\q\n'
        b'# TYPE "b.\\"c" unknown\n# EOF\n'
    )
    found = openmetrics(body).layout.metadata
    shown = {name: (m.type.value, m.help, m.unit) for name, m in found.items()}
    assert shown == {"a_s": ("info", 'x\\y\nz"w\\q', "s"), 'b."c': ("unknown", "", "")}


def test_openmetrics_times_are_cut_to_milliseconds() -> None:
    stamps = ["1795440729.762", "1795440729.7620000", "1795440729.0005", "1.7954397e9"]
    stamps += ["-1.5", "1795440729.123456789", "1e30"]
    lines = "".join(f'a{{i="{i}"}} 1 {stamp}\n' for i, stamp in enumerate(stamps))
    t_ms = openmetrics(f"{lines}# EOF\n".encode()).t_ms
    assert t_ms is not None
    assert t_ms.tolist()[:-1] == [
        1795440729762,
        1795440729762,
        1795440729000,
        1795439700000,
        -1500,
        1795440729123,
    ]
    assert t_ms[-1] > 1 << 62

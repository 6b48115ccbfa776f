"""Strategies for bodies: valid ones, and ones with something broken."""

from __future__ import annotations

import math

from hypothesis import strategies as st

names = st.sampled_from(["a", "b_total", "c:d", "_x1", "http_requests_total", "a_bucket"])
label_names = st.sampled_from(["a", "le", "quantile", "_l1", "job"])
texts = st.text(
    st.sampled_from('ab1 \t\\n"\n,={}#é€😀\x00') | st.characters(codec="utf-8"), max_size=12
)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


huge = st.sampled_from([math.inf, -math.inf, math.nan])
floats = st.floats(-1e300, 1e300) | huge | st.integers(-(10**5), 10**5).map(lambda n: n / 100)
digits = st.integers(0, 10**25).map(str)
styles = st.sampled_from(["{!r}", "{:.17g}", "{:.3e}", "{:.10f}"])
exponents = st.just("") | st.integers(-99, 99).map(lambda n: f"e{n}")
SPECIAL = {"nan": ["NaN", "nan"], "inf": ["+Inf", "Inf", "infinity"], "-inf": ["-Inf", "-inf"]}


def spell(value: float, style: str) -> str:
    return style.format(value) if math.isfinite(value) else SPECIAL[repr(value)][len(style) % 2]


spelled = st.builds(spell, floats, styles)
long_numbers = st.builds("{}.{}{}".format, digits, digits, exponents)
any_number = spelled | digits | long_numbers


def numbers() -> st.SearchStrategy[str]:
    """Numbers in all spellings; none is out of range."""
    return any_number


@st.composite
def label_sets(draw: st.DrawFn) -> str:
    """`name{labels}` with the name outside or inside the braces."""
    pairs = draw(st.dictionaries(label_names | texts.filter(bool), texts, max_size=4))
    pairs.pop("__name__", None)
    simple = ("a", "le", "quantile", "_l1", "job")
    items = [
        f'{key if key in simple else chr(34) + escaped(key) + chr(34)}="{escaped(value)}"'
        for key, value in pairs.items()
    ]
    if draw(st.booleans()):
        name = draw(names)
        return name + ("{" + ",".join(items) + "}" if items or draw(st.booleans()) else "")
    name = draw(texts.filter(bool))
    items.insert(draw(st.integers(0, len(items))), f'"{escaped(name)}"')
    return "{" + ",".join(items) + draw(st.sampled_from(["", ","])) + "}"


@st.composite
def text_lines(draw: st.DrawFn) -> str:
    kind = draw(st.integers(0, 9))
    if kind == 0:
        words = "counter gauge histogram summary untyped"
        return f"# TYPE {draw(names)} {draw(st.sampled_from(words.split()))}"
    if kind == 1:
        return f"# HELP {draw(names)} {escaped(draw(texts))}"
    if kind == 2:
        return draw(st.sampled_from(["", "  ", "# free", "#", "#HELP", "# EOF"]))
    stamp = draw(st.just("") | st.integers(0, 2**63 - 1).map(lambda t: f" {t}"))
    return f"{draw(label_sets())} {draw(numbers())}{stamp}"


@st.composite
def openmetrics_lines(draw: st.DrawFn) -> str:
    kind = draw(st.integers(0, 9))
    if kind == 0:
        words = "counter gauge histogram summary unknown info stateset gaugehistogram"
        return f"# TYPE {draw(names)} {draw(st.sampled_from(words.split()))}"
    if kind == 1:
        return f"# HELP {draw(names)} {escaped(draw(texts))}"
    if kind == 2:
        return draw(st.sampled_from(["# UNIT a_s s", "# UNIT b ", '# UNIT "a.b_s" s']))
    seconds = st.floats(-1e10, 1e10).map(repr) | st.decimals(0, 10**10, places=9).map(str)
    stamps = st.just("") | seconds.map(lambda t: f" {t}")
    line = f"{draw(label_sets())} {draw(numbers())}{draw(stamps)}"
    if draw(st.integers(0, 3)):
        return line
    pairs = draw(st.dictionaries(label_names, texts, max_size=2))
    items = ",".join(f'{key}="{escaped(value)}"' for key, value in pairs.items())
    return f"{line} # {{{items}}} {draw(numbers())}{draw(stamps)}"


def text_bodies(max_lines: int = 8) -> st.SearchStrategy[bytes]:
    lines = st.lists(text_lines(), max_size=max_lines)
    return lines.map(lambda some: "".join(f"{line}\n" for line in some).encode())


def openmetrics_bodies(max_lines: int = 8) -> st.SearchStrategy[bytes]:
    lines = st.lists(openmetrics_lines(), max_size=max_lines)
    return lines.map(lambda some: "".join(f"{line}\n" for line in [*some, "# EOF"]).encode())


@st.composite
def edited(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """A body with some bytes put in, taken out or replaced."""
    body = bytearray(draw(bodies))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        end = at + draw(st.integers(0, 2))
        new = st.sampled_from([b"", b'"', b"{", b"}", b",", b"=", b" ", b"\n", b"#", b"\\", b"1"])
        body[at:end] = draw(new | st.binary(max_size=2))
    return bytes(body)

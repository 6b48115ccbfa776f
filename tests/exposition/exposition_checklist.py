"""What Prometheus 3.5.3 accepts and refuses, as bodies: one list for promlab and for the oracle.

Every row was seen on the real server. `DIFFERENT` are the few that promlab judges otherwise,
on purpose.
"""

from __future__ import annotations

# (body, series as stored, or None where nothing but acceptance is looked at)
TEXT_ACCEPTED: list[tuple[bytes, list[dict[str, str]] | None]] = [
    # ends, blanks, comments
    (b"a 1", [{"__name__": "a"}]),
    (b"", []),
    (b"\n\na 1\n \n\t\n", [{"__name__": "a"}]),
    (b"a 1 \n", None),
    (b"a\t1\n", None),
    (b"#\n##\n#x\n#HELP a b\n# TYPEX a b\n# HELP\n# TYPE\n# UNIT a b\na 1\n", [{"__name__": "a"}]),
    (b"# EOF\na 1\n", [{"__name__": "a"}]),
    (b"# foo \xff\na 1\n", [{"__name__": "a"}]),
    (b"# x\r\na 1\n", [{"__name__": "a"}]),
    # labels
    (b'a{b="1",} 1\n', [{"__name__": "a", "b": "1"}]),
    (b'a{b="1"c="2"} 1\n', [{"__name__": "a", "b": "1", "c": "2"}]),
    (b"a{} 1\n", [{"__name__": "a"}]),
    (b'a { b = "1"\t,\tc="2" } 1\n', [{"__name__": "a", "b": "1", "c": "2"}]),
    (b'a{b="1"}1\n', [{"__name__": "a", "b": "1"}]),
    (b'a{b=""} 1\n', [{"__name__": "a"}]),
    (b'a{b="\\q\\\\\\"\\n"} 1\n', [{"__name__": "a", "b": '\\q\\"\n'}]),
    (b'a{b="x\ny"} 1\n', [{"__name__": "a", "b": "x\ny"}]),
    (b'a{b="\x00"} 1\n', [{"__name__": "a", "b": "\x00"}]),
    ('a{b="😀€"} 1\n'.encode(), [{"__name__": "a", "b": "😀€"}]),
    (b":a:b 1\n", [{"__name__": ":a:b"}]),
    # UTF-8 names
    (b'{"a.b",x="y"} 1\n', [{"__name__": "a.b", "x": "y"}]),
    (b'{x="y","a.b"} 1\n', [{"__name__": "a.b", "x": "y"}]),
    (b'{ "a" , } 1\n', [{"__name__": "a"}]),
    (b'a{"l.x"="y"} 1\n', [{"__name__": "a", "l.x": "y"}]),
    (b'{"a\\"b\\nc\\\\d\\q"} 1\n', [{"__name__": 'a"b\nc\\d\\q'}]),
    (b'{"a\nb"} 1\n', [{"__name__": "a\nb"}]),
    # no blank is needed before the value
    (b"a.5\n", [{"__name__": "a"}]),
    (b"a-1\n", [{"__name__": "a"}]),
    (b"a5 3\n", [{"__name__": "a5"}]),
    # timestamps
    (b"a 1 1\n", None),
    (b"a 1  1\t\n", None),
    (b"a 1 9223372036854775807\n", None),
    # metadata
    (b"# TYPE a counter\n# TYPE a gauge\na 1\n", [{"__name__": "a"}]),
    (b"a 1\n# TYPE a untyped\n", [{"__name__": "a"}]),
    (b" #\tTYPE\ta\tsummary\na 1\n", [{"__name__": "a"}]),
    (b"# HELP a\n# HELP b \n# HELP c\tx\r\n# HELP d.e x\n# HELP e \x00\na 1\n", None),
    (b'# HELP "a\nb" x\n# TYPE "a.b" gauge\na 1\n', [{"__name__": "a"}]),
    (b"# HELP a x", []),
    # buckets and quantiles
    (b'a{le="1"} 1\n', [{"__name__": "a", "le": "1"}]),
    (
        b'# TYPE a histogram\nb{le="1",quantile="1"} 1\n',
        [{"__name__": "b", "le": "1.0", "quantile": "1"}],
    ),
    (b'# TYPE a summary\na{"quantile"="0.50"} 1\n', [{"__name__": "a", "quantile": "0.5"}]),
    (b'# TYPE a histogram\n# TYPE b gauge\na{le="1"} 1\n', [{"__name__": "a", "le": "1"}]),
    (b'# TYPE a histogram\na{le=""} 1\n', [{"__name__": "a"}]),
]
TEXT_REFUSED: list[bytes] = [
    b"a 1\r\n", b"\xef\xbb\xbfa 1\n", b'a{b="1",,} 1\n', b"a{,} 1\n", b'a{,b="1"} 1\n',
    b"a{b='1'} 1\n", b'a{b="\xff"} 1\n', b'a{b="\xed\xa0\x80"} 1\n', b'a{b="\xc0\x80"} 1\n',
    b'a{b="\xf4\x90\x80\x80"} 1\n', b"# HELP a \xff\na 1\n", b'a{b="1",b="2"} 1\n',
    b'a{="x"} 1\n', b'{x="y"} 1\n', b'{"a","b"} 1\n', b'a{"b"} 1\n', b'a{__name__="b"} 1\n',
    b'{__name__="b"} 1\n', b'{"a",__name__="b"} 1\n', b'{"a"x="y"} 1\n', b'{,"a"} 1\n',
    b'{"a\xff"} 1\n', b'{""} 1\n', b'a{""="x"} 1\n', b'a{b="x\\\ny"} 1\n', b'a{b="1",\n} 1\n',
    b"a 1 -1\n", b"a 1 1.5\n", b"a 1 +1\n", b"a 1 9223372036854775808\n", b"a 1 1 1\n",
    b'a 1 1 # {x="y"} 1\n', b'a 1 # {x="y"} 1\n', b"a 1 #\n", b"a\n", b"a \n", b'a{b="1"\n',
    b'a{b="1" 1\n', b'a{b="1', b'a{b="1\\', b"a{b=1} 1\n", b"a{b} 1\n", b"a{b=} 1\n",
    b"1a 1\n", b'a{a:b="1"} 1\n', b"a.b 1\n", b"a-b 1\n", b"\xc3\xa9 1\n", b'a{1b="x"} 1\n',
    b"a 1\nb\n", b'a{b="1"} {c="2"} 1\n', b'"a" 1\n', b"} 1\n", b"= 1\n", b"a\x00 1\n",
    b"a 1\x00\n", b'a{b\x00="1"} 1\n', b"a\x0b1\n", b"a\xc2\xa01\n",
    b"# TYPE \na 1\n", b"# TYPE #\n", b"# HELP \n", b"# HELP #\n", b"# HELP 1a x\n",
    b"# TYPE a\n", b'# TYPE "a gauge\n', b"# TYPE a{ gauge\n", b"# TYPE a gauge\r\n",
    *(b"# TYPE a %s\na 1\n" % kind for kind in (
        b"unknown", b"info", b"stateset", b"gaugehistogram", b"Counter", b" gauge", b"gauge ",
        b"\tgauge", b"gauge x", b"",
    )),
]  # fmt: skip
# (text of the number, its value or None where it is refused); the same in both formats
NUMBERS: list[tuple[str, str | None]] = [
    ("NaN", "NaN"), ("nAn", "NaN"), ("+NaN", None), ("-nan", None), ("Inf", "+Inf"),
    ("+inf", "+Inf"), ("-INF", "-Inf"), ("infinity", "+Inf"), ("-Infinity", "-Inf"),
    ("infi", None), ("1e3", "1000"), ("1E3", "1000"), ("1e+3", "1000"), ("1e400", None),
    ("-1e400", None), ("1e-400", "0"), ("0x10", None), ("0x1p3", None), ("1p3", None),
    ("1_000", None), ("true", None), (".5", "0.5"), ("5.", "5"), (".", None), ("+1", "1"),
    ("-", None), ("--1", None), ("1e", None), ("1e+", None), ("0e999999999999999999999", "0"),
    ("1e99999999999999999999", None), ("1e-99999999999999999999", "0"), ("00012", "12"),
    ("1,5", None), ("1#", None), ("#", None), ("1{", None), ("0b1", None), ("1f", None),
    ("1.7976931348623159e308", None), ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ("9007199254740993", "9007199254740992"), ("123456789012345678901234567890",
    "1.2345678901234568e+29"),
    ("0.30000000000000004", "0.30000000000000004"), ("4.9e-324", "5e-324"), ("2e-324", "0"),
    ("1e0000000000000000000000000000000000001", "10"), ("-0", "-0"),
]  # fmt: skip
# (le as written, le as stored below a histogram's TYPE line)
BOUNDS: list[tuple[str, str]] = [
    ("1", "1.0"), ("0", "0.0"), ("-0", "0.0"), ("1000000", "1e+06"), ("123456789",
    "1.23456789e+08"),
    ("0.00001", "1e-05"), ("0.0001", "0.0001"), ("1e3", "1000.0"), ("+Inf", "+Inf"), ("inf",
    "+Inf"),
    ("-Inf", "-Inf"), ("Nan", "NaN"), ("+nan", "+nan"), ("x", "x"), ("1.50", "1.5"), ("0x1p2",
    "4.0"),
    ("0x_1p4", "16.0"), ("1_0", "10.0"), ("1__0", "1__0"), ("1_", "1_"), ("_1", "_1"), ("0b1",
    "0b1"),
    ("1e400", "1e400"), ("100000", "100000.0"), ("999999.5", "999999.5"), ("1234567.5",
    "1.2345675e+06"),
    ("12345.678", "12345.678"), ("1e21", "1e+21"), ("1E5", "100000.0"), (".5", "0.5"), (" 1", " 1"),
]  # fmt: skip
# Without their `# EOF` line.
OPENMETRICS_ACCEPTED: list[tuple[bytes, list[dict[str, str]] | None]] = [
    (b"", []),
    (b"a 1\n", [{"__name__": "a"}]),
    (b'a{b="1"} 1\n', [{"__name__": "a", "b": "1"}]),
    (b'a{b="1",} 1\n', [{"__name__": "a", "b": "1"}]),
    (b"a{} 1\n", [{"__name__": "a"}]),
    (b'a{b="\\q"} 1\n', [{"__name__": "a", "b": "\\q"}]),
    (b'a{b="\x00",c=""} 1\n', [{"__name__": "a", "b": "\x00"}]),
    (b'{"a.b",x="y"} 1\n', [{"__name__": "a.b", "x": "y"}]),
    (b'{x="y","a"} 1\n', [{"__name__": "a", "x": "y"}]),
    (b'{"a",} 1\n', [{"__name__": "a"}]),
    (b'a{"l.x"="y"} 1\n', [{"__name__": "a", "l.x": "y"}]),
    *((b"a 1 %s\n" % t, None) for t in (b"1", b"1.5", b"-1.5", b"1e3", b"+1", b"1e30", b"1.0005")),
    *((b"a 1 # %s\n" % e, [{"__name__": "a"}]) for e in (
        b'{x="y"} 1', b'{x="y"} 1 1', b'{x="y"} 1 -1.5', b"{} 1", b'{x="y"} NaN', b'{x="y"} Inf',
        b'{x="y",} 1', b'{x="y",z="1"} 1', b'{x="%s"} 1' % (b"y" * 200), b'{"x.y"="\\n"} 1',
        b'{x="y",x="z"} 1', b'{x=""} 1', b'{__name__="y"} 1',
        b'{x="y"} 0.30000000000000004 12345678901234567890.5',
    )),
    (b'# TYPE a gauge\na 1 5 # {x="y"} 1\n', None),
    (b"# HELP a \n# HELP b  x\n# TYPE b gauge\n# UNIT a_s s\n# UNIT b \n# UNIT _b b\n", []),
    (b"# HELP a x\r\n# HELP a y\n# TYPE a gauge\n# TYPE a info\na 1\n", [{"__name__": "a"}]),
    (b'# HELP "a.b" x\n# TYPE "a.b" counter\n# UNIT "a.b_s" s\n# HELP "a\nb" x\n', []),
    *((b"# TYPE a %s\n" % t, []) for t in (
        b"counter", b"gauge", b"histogram", b"summary", b"unknown", b"info", b"stateset",
        b"gaugehistogram",
    )),
    (b'# TYPE a histogram\na_bucket{le="1"} 1\n', [{"__name__": "a_bucket", "le": "1.0"}]),
    (b'# TYPE a gaugehistogram\na_bucket{le="1"} 1\n', [{"__name__": "a_bucket", "le": "1"}]),
    (b'# TYPE a summary\na{quantile="1"} 1\n', [{"__name__": "a", "quantile": "1.0"}]),
    (b"# TYPE a counter\na 1\n", [{"__name__": "a"}]),
]  # fmt: skip
OPENMETRICS_REFUSED: list[bytes] = [
    b"\n", b"# foo\n", b"# HELPX a x\n", b"#\n", b"#EOF\n", b" a 1\n", b"a  1\n", b"a\t1\n",
    b"a 1 \n",
    b"a 1  1\n", b'a{b="1"}1\n', b'a {b="1"} 1\n', b'a{ b="1"} 1\n', b'a{b="1" } 1\n',
    b'a{b ="1"} 1\n', b'a{b="1", c="2"} 1\n', b'a{b="1"c="2"} 1\n', b"a{,} 1\n",
    b'a{b="1",,c="2"} 1\n', b'a{b="x\ny"} 1\n', b'a{b="x\\\ny"} 1\n', b'a{b="1",b="2"} 1\n',
    b'{x="y"} 1\n', b'a{"x"} 1\n', b'{"a" x="y"} 1\n', b'{"a"x="y"} 1\n', b'a{="1"} 1\n',
    b'a{__name__="b"} 1\n', b'a{b="\xff"} 1\n', b"a 1\r\n", b"a 1\n\nb 1\n", b"a\x00 1\n",
    b"a 1\x00\n", b'a{a:b="1"} 1\n', b'a{b="1"\n', b"a\n", b"a \n", b'a{b="1"} \n', b"a 1 1 1\n",
    b"a-1\n", b'{,"a"} 1\n',
    *(b"a 1 %s\n" % t for t in (b"NaN", b"Inf", b"1e400", b"x", b"0x1", b"1_0")),
    *(b"a 1 # %s\n" % e for e in (
        b'{x="y"} 1 NaN', b'{x="y"} 1 Inf', b'{x="y"}', b'{x="y"} ', b'{x="y"} x',
        b'{x="y", z="1"} 1',
        b'{x="y"} 1 1 1', b'{x="y"} 1 # {x="y"} 1', b"1", b"x", b"", b'{x="\xff"} 1', b'{"x"} 1',
        b'{x="a\nb"} 1', b' {x="y"} 1', b'{x="y"}  1', b'{x="y"} 1  1', b'{x="y"}1', b"{,} 1",
        b'{x="y"} 1e400', b'{x="y"z="1"} 1', b'{x="y"} 1 ', b'{="y"} 1', b"{x} 1",
    )),
    b'a 1#{x="y"} 1\n', b'a 1 #{x="y"} 1\n', b'a 1 1# {x="y"} 1\n', b'a 1  # {x="y"} 1\n',
    *(b"# TYPE a %s\n" % t for t in (b"untyped", b"Counter", b" gauge", b"gauge ", b"\tgauge",
    b"")),
    b"# TYPE  a gauge\n", b"#  TYPE a gauge\n", b"#\tTYPE a gauge\n", b"# TYPE\ta gauge\n",
    b"# TYPE a\tgauge\n", b"# TYPE a\n", b"# TYPE\n", b"# TYPE \n", b"# HELP a\n",
    b"# HELP a \xff\n",
    b"# HELP\n", b'# HELP a"b x\n', b"# UNIT a_b\n", b"# UNIT a_b c\n", b"# UNIT ab b\n",
    b"# UNIT b b\n",
    b'# UNIT "a.b" b\n', b"# UNIT a_b  b\n", b"# UNIT a_b b \n", b"# UNIT a_b \xff\n",
    b"# TYPE a gauge\r\n",
]  # fmt: skip
# Whole bodies, as they end.
OPENMETRICS_ENDS: list[tuple[bytes, bool]] = [
    (b"", True), (b"# EOF", True), (b"# EOF\n", True), (b"a 1\n# EOF", True), (b"a 1\n", False),
    (b"a 1", False), (b"# EOF\n\n", False), (b"# EOF\na 1\n", False), (b"# EOF x", False),
    (b"# EOF\n# EOF\n", False), (b"# EOF ", False), (b"# EOF\r\n", False), (b"\n# EOF\n", False),
]  # fmt: skip
# Refused by promlab; the real server accepts them, stores something strange, or crashes.
DIFFERENT: list[tuple[bool, bytes]] = [
    (False, b"{A} 1\n"),  # 3.5.3 crashes
    (False, b'a{b="",b="2"} 1\n'),  # loses b
    (False, b"a 1\n\x00b 2\n"),  # ignores what follows the zero byte
    (True, b"{A} 1\n# EOF\n"),
    (True, b'a 1 # {""="x"} 1\n# EOF\n'),
]

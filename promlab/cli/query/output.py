"""Requests of `promlab query`, and how their answers are printed.

`promql` is one line a series, as promtool prints it; `json` is the result as it came.
Labels come from a server that may be anybody's: control characters are never sent to a terminal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from promlab.cli.http import add_client_flags, client, header_of, send
from promlab.client.times import now_ms, to_ms
from promlab.errors import ClientError
from promlab.model.quoting import go_quote


class _Answer(msgspec.Struct):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    errorType: str = ""  # noqa: N815  (as the API spells it)
    warnings: list[str] = []
    infos: list[str] = []


class _Result(msgspec.Struct):
    resultType: str  # noqa: N815  (as the API spells it)
    result: msgspec.Raw


def add_query_flags(parser: argparse.ArgumentParser) -> None:
    """What all query commands take."""
    parser.add_argument(
        "-o", "--format", choices=("promql", "json"), default="promql", help="form of the answer"
    )
    parser.add_argument(
        "--header", type=header_of, action="append", default=[], help="NAME=VALUE to send, too"
    )
    add_client_flags(parser)


def seconds(text: str) -> float:
    """A time as a user writes it, in seconds UTC. Raises argparse.ArgumentTypeError."""
    try:
        return to_ms(text) / 1000
    except (ClientError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def now() -> float:
    """The present, in seconds UTC."""
    return now_ms() / 1000


def ask(args: argparse.Namespace, path: str, params: Mapping[str, Any] | None) -> bytes:
    """The data of an answer as JSON; warnings go to stderr. None for `params` means GET.

    Raises ClientError for a refusal, NotRunning without an answer.
    """
    url = args.server.rstrip("/") + path
    with client(args.http_config, args.header) as http:
        method = "GET" if params is None else "POST"
        answer = send(http, method, url, data=params)
    try:
        found = msgspec.json.decode(answer.content, type=_Answer)
    except msgspec.DecodeError:
        raise ClientError(f"{url} answers {answer.status_code}, and not in JSON") from None
    for text in (*found.warnings, *found.infos):
        print(f"query warning: {printable(text)}", file=sys.stderr)
    if found.status != "success":
        raise ClientError(f"query error: {found.errorType}: {printable(found.error)}")
    return bytes(found.data)


def printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def print_result(data: bytes, form: str) -> None:
    """Print the data of a query's answer."""
    answer = msgspec.json.decode(data, type=_Result)
    if form == "json":
        print(bytes(answer.result).decode())
        return
    kind, result = answer.resultType, msgspec.json.decode(answer.result)
    if kind == "vector":
        for series in result:
            print(f"{metric_text(series['metric'])} => {_point(series, 'value', 'histogram')}")
    elif kind == "matrix":
        for series in result:
            print(f"{metric_text(series['metric'])} =>")
            for t, value in (*series.get("values", ()), *series.get("histograms", ())):
                print(f"{_value(value)} @[{t}]")
    else:
        t, value = result
        print(f"{kind}: {printable(value)} @[{t}]")


def _point(series: Mapping[str, Any], *keys: str) -> str:
    t, value = next(series[key] for key in keys if key in series)
    return f"{_value(value)} @[{t}]"


def _value(value: Any) -> str:
    """A float as it came, a native histogram by its buckets."""
    if isinstance(value, str):
        return printable(value)
    buckets = ", ".join(
        f"{'[' if rule in (1, 3) else '('}{low},{high}{']' if rule in (0, 3) else ')'}:{count}"
        for rule, low, high, count in value.get("buckets", ())
    )
    return f"{{count:{value['count']}, sum:{value['sum']}{', ' if buckets else ''}{buckets}}}"


def metric_text(labels: Mapping[str, str]) -> str:
    """`name{label="value"}`."""
    inside = ", ".join(
        f"{name}={go_quote(value)}" for name, value in sorted(labels.items()) if name != "__name__"
    )
    name = printable(labels.get("__name__", ""))
    return f"{name}{{{inside}}}" if inside or not name else name

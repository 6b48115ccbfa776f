"""/api/v1/status/self_metrics: this server's own metrics as JSON, in protobuf's JSON form."""

from __future__ import annotations

import math
from typing import Any

from promlab.model.matchers import BadRegex, compile_regex
from promlab.server.api_status import metrics_text
from promlab.server.context import Context
from promlab.server.envelope import bad_parameter, success
from promlab.web.http import Request, Response

Labels = dict[str, str]


async def self_metrics(context: Context, request: Request) -> Response:
    """Families whose name matches `metric_name_pattern`, all without one."""
    pattern = await request.param("metric_name_pattern")
    try:
        compiled = compile_regex(pattern) if pattern else None
    except BadRegex as error:
        raise bad_parameter("metric_name_pattern", error) from None
    found = families((await metrics_text(context)).decode())
    if compiled is not None:
        found = [each for each in found if compiled.fullmatch(each["name"])]
    return success(found)


def families(text: str) -> list[dict[str, Any]]:
    """Metric families of a text in the exposition format."""
    from prometheus_client.parser import text_string_to_metric_families

    found = []
    for family in text_string_to_metric_families(text):
        kind = family.type if family.type != "unknown" else "untyped"
        name = f"{family.name}_total" if kind == "counter" else family.name
        groups: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
        for sample in family.samples:
            part = sample.name.removeprefix(family.name)
            labels = dict(sample.labels)
            edge = labels.pop({"histogram": "le", "summary": "quantile"}.get(kind, ""), None)
            metric = groups.setdefault(tuple(sorted(labels.items())), {})
            _put(metric, kind, part, edge, sample.value)
        metrics = [
            {"label": [{"name": key, "value": each} for key, each in labels], kind: body}
            for labels, body in groups.items()
        ]
        shown = {"name": name, "help": family.documentation, "type": kind.upper()}
        found.append({**shown, "metric": metrics})
    return found


def _put(metric: dict[str, Any], kind: str, part: str, edge: str | None, value: float) -> None:
    if kind not in ("histogram", "summary"):
        metric["value"] = _number(value)
    elif part == "_count":
        metric["sampleCount"] = str(int(value))
    elif part == "_sum":
        metric["sampleSum"] = _number(value)
    elif kind == "histogram" and edge is not None:
        bucket = {"cumulativeCount": str(int(value)), "upperBound": _number(float(edge))}
        metric.setdefault("bucket", []).append(bucket)
    elif edge is not None:
        quantile = {"quantile": _number(float(edge)), "value": _number(value)}
        metric.setdefault("quantile", []).append(quantile)


def _number(value: float) -> float | str:
    """What JSON has no number for is a word, as in protobuf's JSON."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value

"""/federate: the newest sample of each series that a selector finds, for another server.

Series come sorted by name, as untyped metrics with their timestamps; external labels are added
where a series has none of that name, and an empty `instance`, so that whoever scrapes this
keeps the series' own. Native histograms are in protobuf only, as in Prometheus.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

import numpy as np

from promlab.errors import PromlabError
from promlab.model.float_text import format_float, go_number
from promlab.model.histograms import HistogramTable
from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import Matcher
from promlab.model.samples import STALE_BITS, SeriesBatch
from promlab.model.storage import Querier
from promlab.server import metric_proto
from promlab.server.context import Context
from promlab.server.envelope import ApiError
from promlab.server.params import matcher_sets, refuse_unreadable
from promlab.web.http import Request, Response, text

TEXT = "text/plain; version=0.0.4; charset=utf-8; escaping="
PROTOBUF = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
    "encoding=delimited; escaping="
)
_PROTO = {"proto=io.prometheus.client.MetricFamily", "encoding=delimited"}


class Sample(NamedTuple):
    """The newest sample of a series; `histogram` is a table of one row, or None."""

    name: str
    labels: dict[str, str]
    t_ms: int
    value: float
    histogram: HistogramTable | None


async def federate(context: Context, request: Request) -> Response:
    """Newest samples as a body to be scraped."""
    try:
        asked = await request.form()
        refuse_unreadable(asked)
        sets = matcher_sets(asked, named=False, all_series=True)
    except ApiError as error:
        context.metrics.federation_errors.inc()
        return text(f"{error.message}\n", 400)
    sets = [matchers for matchers in sets if matchers]  # `{}` is nothing here, not everything
    querier, external = context.stored(), (await context.config()).global_.external_labels
    now_ms = time.time_ns() // 1_000_000
    lookback_ms = context.settings.lookback_ms
    form = negotiated(request.header("accept"))

    def render() -> bytes:
        samples = newest(querier, sets, now_ms - lookback_ms, now_ms)
        families = with_external(samples, external)
        return b"".join((_protobuf if form.protobuf else _text)(families, form.name))

    try:
        body = await context.in_pool(render)
    except PromlabError as error:
        context.metrics.federation_errors.inc()
        return text(f"{error}\n", 500)
    return Response(body=body, content_type=form.content_type)


class Form(NamedTuple):
    """How samples are written."""

    protobuf: bool = False
    utf8: bool = False

    @property
    def content_type(self) -> str:
        """As the answer says it."""
        escaping = "allow-utf-8" if self.utf8 else "underscores"
        return (PROTOBUF if self.protobuf else TEXT) + escaping

    def name(self, name: str) -> str:
        """A name as this form may have it."""
        return name if self.utf8 else metric_proto.underscored(name)


def negotiated(accept: str) -> Form:
    """The first form in an Accept header that is known here."""
    for part in accept.split(","):
        media, *found = (piece.strip() for piece in part.split(";"))
        utf8 = "escaping=allow-utf-8" in found
        if media == "application/vnd.google.protobuf" and set(found) >= _PROTO:
            return Form(protobuf=True, utf8=utf8)
        if media in ("text/plain", "*/*", "text/*", "application/openmetrics-text"):
            return Form(utf8=utf8)
    return Form()


def newest(querier: Querier, sets: list[list[Matcher]], start_ms: int, end_ms: int) -> list[Sample]:
    """Newest sample of each series, by name and labels; what has ended or has no name is not."""
    found: dict[tuple[tuple[str, str], ...], Sample] = {}
    for matchers in sets:
        # The window's left edge is open, as a selector's.
        for sample in _newest(querier.select(matchers, start_ms + 1, end_ms)):
            found[(("", sample.name), *sorted(sample.labels.items()))] = sample
    return [found[key] for key in sorted(found)]


def _newest(batch: SeriesBatch) -> Iterator[Sample]:
    counts = np.diff(batch.offsets)
    rows = np.flatnonzero(counts > 0)
    last = batch.offsets[1:][rows] - 1
    values = batch.values[last]
    t_ms = batch.t_ms[(batch.times_at + counts - 1)[rows]]
    index = np.full(len(rows), -1) if batch.histograms is None else batch.histograms.index[last]
    stale = (values.view(np.uint64) == STALE_BITS) & (index < 0)
    labels = batch.labels.take(rows).rows()
    columns = zip(labels, t_ms.tolist(), values.tolist(), index.tolist(), stale, strict=True)
    for row, when, value, at, ended in columns:
        name = row.pop(METRIC_NAME, "")
        if ended or not name:
            continue
        table = None
        if at >= 0 and batch.histograms is not None:
            table = batch.histograms.table.take(np.array([at]))
            if np.float64(table.sum[0]).view(np.uint64) == STALE_BITS:
                continue
        yield Sample(name, row, when, value, table)


def with_external(samples: list[Sample], external: Mapping[str, str]) -> list[Sample]:
    """Each sample with the external labels that it has none of, behind its own."""
    added = dict(sorted({"instance": "", **external}.items()))
    return [
        sample._replace(
            labels=dict(sorted(sample.labels.items()))
            | {name: value for name, value in added.items() if name not in sample.labels}
        )
        for sample in samples
    ]


Naming = Callable[[str], str]


def _text(samples: list[Sample], naming: Naming) -> Iterator[bytes]:
    named = ""
    for sample in samples:
        if sample.histogram is not None:
            yield from _classic(sample, naming)
            continue
        name = naming(sample.name)
        if name != named:
            named = name
            yield f"# TYPE {quoted(name)} untyped\n".encode()
        yield _line(name, sample.labels, sample.value, sample.t_ms, naming)


def _classic(sample: Sample, naming: Naming) -> Iterator[bytes]:
    """A histogram with custom bounds as a classic one; others have no text."""
    table = sample.histogram
    assert table is not None
    if table.custom[0] < 0:
        return
    name, labels = naming(sample.name), sample.labels
    yield f"# TYPE {quoted(name)} histogram\n".encode()
    lines = [
        (f"{name}_bucket", {**labels, "le": format_float(bound)}, count)
        for bound, count in metric_proto.cumulated(table)
    ]
    lines.append((f"{name}_sum", labels, float(table.sum[0])))
    lines.append((f"{name}_count", labels, float(table.count[0])))
    for each, pairs, value in lines:
        yield _line(each, pairs, value, sample.t_ms, naming)


def quoted(name: str) -> str:
    """A metric's name as text has it outside of braces: quoted if it has unusual letters."""
    return name if metric_proto.underscored(name) == name else f'"{_escaped(name)}"'


def _line(name: str, labels: Mapping[str, str], value: float, t_ms: int, naming: Naming) -> bytes:
    pairs = [f'{_label(naming(key))}="{_escaped(each)}"' for key, each in labels.items()]
    shown = quoted(name)
    if shown != name:
        shown, pairs = "", [shown, *pairs]
    return f"{shown}{{{','.join(pairs)}}} {go_number(value)} {t_ms}\n".encode()


def _label(name: str) -> str:
    return name if ":" not in name and quoted(name) == name else f'"{_escaped(name)}"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _protobuf(samples: list[Sample], naming: Naming) -> Iterator[bytes]:
    """One message a name and kind of sample."""

    def family(sample: Sample) -> tuple[str, int]:
        return sample.name, metric_proto.kind_of(sample.histogram)

    for (name, kind), group in groupby(samples, family):
        metrics = [
            metric_proto.metric(
                {naming(key): text for key, text in each.labels.items()},
                each.t_ms,
                each.value,
                each.histogram,
            )
            for each in group
        ]
        yield metric_proto.delimited_family(naming(name), kind, metrics)

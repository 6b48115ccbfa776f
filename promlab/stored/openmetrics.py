"""OpenMetrics text as samples with their times, in and out.

A file is read some megabytes at a time. Every sample needs a timestamp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from promlab.errors import ExpositionError, StorageError
from promlab.exposition.body_parser import NO_TIME, BodyParser
from promlab.exposition.formats import Format
from promlab.model.float_text import format_float
from promlab.model.labels import METRIC_NAME, Symbols
from promlab.model.samples import SeriesBatch, is_stale
from promlab.tsdb.blocks.importing import BlockImporter

_PIECE = 8 << 20
_EOF = b"# EOF"


def import_openmetrics(
    source: Path,
    importer: BlockImporter,
    more: Mapping[str, str] | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> None:
    """Hand the samples of a file to an importer; `more` are labels for all of them.

    Raises ExpositionError naming the line, StorageError.
    """
    try:
        size = source.stat().st_size
        with source.open("rb") as file:
            lines = 0
            for piece, at in _pieces(file):
                try:
                    _add(piece, importer, more or {})
                except ExpositionError as error:
                    raise ExpositionError(
                        f"{source}: {error.message}", line_no=lines + error.line_no, line=error.line
                    ) from None
                lines += piece.count(b"\n") - 1
                progress(at / max(1, size))
    except OSError as error:
        raise StorageError(f"cannot read {source}: {error.strerror}") from None


def _pieces(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Whole bodies: cut at lines, each with the TYPE line that it goes on under."""
    rest, family, ended = b"", b"", False
    while True:
        data = file.read(_PIECE)
        whole = rest + data
        if data:
            end = whole.rfind(b"\n") + 1
            body, rest = whole[:end], whole[end:]
        else:
            body, rest = whole, b""
        stripped = body.rstrip(b"\n")
        if stripped.endswith(_EOF) and stripped[:-5].endswith((b"\n", b"")):
            ended, body = True, stripped[: -len(_EOF)]
        if body:
            if not body.endswith(b"\n"):
                body += b"\n"
            yield family + body + _EOF + b"\n", file.tell()
        at = body.rfind(b"# TYPE ")
        if at >= 0:
            family = body[at : body.index(b"\n", at) + 1]
        if not data:
            break
    if not ended:
        raise ExpositionError("data does not end with # EOF")


def _add(piece: bytes, importer: BlockImporter, more: Mapping[str, str]) -> None:
    parsed = BodyParser(Symbols()).parse(piece, Format.OPENMETRICS)
    if not parsed.layout.n:
        return
    untimed = parsed.t_ms is None or (parsed.t_ms == NO_TIME).any()
    if untimed or parsed.t_ms is None:
        raise ExpositionError("expected timestamp for every series, got none")
    labels = parsed.layout.labels
    for name, value in more.items():
        codes = np.full(labels.n, labels.symbols.code(value), np.uint32)
        labels = labels.replace(name, codes)
    importer.add(labels, parsed.t_ms, parsed.values)


def series_text(labels: Mapping[str, str], *, openmetrics: bool) -> str:
    """A series as promtool dumps it: `{__name__="m", a="b"}`, or `m{a="b"}`."""
    shown = sorted(labels.items())
    if openmetrics:
        inside = ",".join(f'{k}="{_escaped(v)}"' for k, v in shown if k != METRIC_NAME)
        return f"{labels.get(METRIC_NAME, '')}{{{inside}}}"
    return "{" + ", ".join(f'{name}="{_escaped(value)}"' for name, value in shown) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def dump(batch: SeriesBatch, out: IO[str], *, openmetrics: bool) -> None:
    """Write all samples, a line each; OpenMetrics has no staleness markers."""
    for i, labels in enumerate(batch.labels.rows()):
        text = series_text(labels, openmetrics=openmetrics)
        t_ms, values = batch.series(i)
        at = int(batch.offsets[i])
        if batch.histograms is not None:
            floats = batch.histograms.index[at : at + len(values)] < 0
            t_ms, values = t_ms[floats], values[floats]
        if openmetrics:
            there = ~is_stale(values)
            t_ms, values = t_ms[there], values[there]
        for t, value in zip(t_ms.tolist(), values.tolist(), strict=True):
            when = f"{t / 1000:.3f}" if openmetrics else str(t)
            out.write(f"{text} {format_float(value)} {when}\n")

"""From new samples to bodies: external labels, relabelling, shards, batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import cramjam
import numpy as np
import numpy.typing as npt

from promlab.config.relabel import RelabelConfig
from promlab.config.relabelling import relabel
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.remote.encode import Family, Index, SeriesSamples, write_request
from promlab.remote.queue_stats import Counts
from promlab.remote.tail import Fresh

Bools = npt.NDArray[np.bool_]


class Batch(NamedTuple):
    """One body, compressed, and what is in it."""

    body: bytes
    counts: Counts
    newest_ms: int = 0


class Chosen(NamedTuple):
    """Samples that are to be sent, and how many are not: for rules or their kind, for their age."""

    fresh: Fresh
    by_rules: Counts
    too_old: Counts


def choose(
    fresh: Fresh,
    external: Mapping[str, str],
    rules: Sequence[RelabelConfig],
    *,
    histograms: bool,
    oldest_ms: int,
) -> Chosen:
    """Samples with their final labels; those that rules, their age or their kind drop are left."""
    labels, kept = final_labels(fresh.labels, external, rules)
    place = np.full(fresh.labels.n, -1, np.int64)
    place[kept] = np.arange(len(kept))
    series = place[fresh.series]
    young, wanted = fresh.t_ms >= oldest_ms, series >= 0
    if not histograms and fresh.histograms is not None:
        wanted &= fresh.histograms.index < 0
    rows = np.flatnonzero(wanted & young)
    found = None if fresh.histograms is None else fresh.histograms.take(rows)
    chosen = Fresh(
        labels, fresh.keys[kept], series[rows], fresh.t_ms[rows], fresh.values[rows],
        found, fresh.end_ms, None if fresh.start_ms is None else fresh.start_ms[rows],
    )  # fmt: skip
    return Chosen(chosen, counted(fresh, young & ~wanted), counted(fresh, ~young))


def counted(fresh: Fresh, rows: Index | Bools | None = None) -> Counts:
    """How many samples and histograms are in these rows, or in all."""
    n = fresh.n if rows is None else len(fresh.t_ms[rows])
    if fresh.histograms is None:
        return Counts(n)
    index = fresh.histograms.index if rows is None else fresh.histograms.index[rows]
    found = int((index >= 0).sum())
    return Counts(n - found, found)


def final_labels(
    labels: LabelTable, external: Mapping[str, str], rules: Sequence[RelabelConfig]
) -> tuple[LabelTable, Index]:
    """Labels as they are sent, and which rows they are of: rules drop some."""
    # New texts stay with this batch: the table below is that of storage.
    own = LabelTable(labels.n, labels.columns, labels.symbols.overlay())
    found = _with_external(own, external)
    kept = np.arange(found.n)
    if rules:
        found, kept = relabel(found, rules)
        named = np.flatnonzero(found.column(METRIC_NAME))
        found, kept = found.take(named), kept[named]
    return found, kept


def _with_external(labels: LabelTable, external: Mapping[str, str]) -> LabelTable:
    """Labels that say where the samples come from, where a series does not have them."""
    for name, text in external.items():
        own = labels.column(name)
        labels = labels.replace(name, np.where(own != 0, own, labels.symbols.code(text)))
    return labels


def shard_rows(fresh: Fresh, rows: Index, shards: int, size: int) -> list[list[Index]]:
    """For each shard its batches of these rows, each series in one shard and in order."""
    shard = (fresh.keys % np.uint64(shards)).astype(np.int64)[fresh.series[rows]]
    order = np.argsort(shard, kind="stable")
    bounds = np.searchsorted(shard[order], np.arange(shards + 1))
    return [
        [rows[order[at : min(at + size, end)]] for at in range(start, end, size)]
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]


def make_batch(
    fresh: Fresh, rows: Index, version: int, families: Mapping[str, Family] = MappingProxyType({})
) -> Batch:
    """The body with these samples."""
    series = fresh.series[rows]
    first = np.append(True, np.diff(series) != 0)
    starts = np.flatnonzero(first)
    offsets = np.append(starts, len(rows)).astype(np.int64)
    histograms = None if fresh.histograms is None else fresh.histograms.take(rows)
    samples = SeriesSamples(
        fresh.labels.take(series[starts]), offsets, fresh.t_ms[rows], fresh.values[rows],
        histograms, None if fresh.start_ms is None else fresh.start_ms[rows],
    )  # fmt: skip
    body = packed(write_request(samples, version, families))
    return Batch(body, counted(fresh, rows), int(fresh.t_ms[rows].max()))


def packed(body: bytes) -> bytes:
    """As it is sent."""
    return bytes(cramjam.snappy.compress_raw(body))

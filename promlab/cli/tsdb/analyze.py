"""`promlab tsdb analyze`: churn and cardinality of a block, as promtool prints them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from promlab.cli.tsdb.shared import add_path, go_duration, open_data
from promlab.errors import StorageError
from promlab.model.labels import METRIC_NAME, LabelTable, Symbols
from promlab.stored.selectors import matchers_of
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.index import Verdicts

Longs = npt.NDArray[np.int64]


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--limit", type=int, default=20, help="lines of each list (20)")
    parser.add_argument("--extended", action="store_true", help="how full chunks are, too")
    parser.add_argument("--match", default="", help="selector of the series to analyze")
    add_path(parser)
    parser.add_argument("block", nargs="?", default="", help="block (the newest)")


def run(args: argparse.Namespace) -> int:
    """Print the lists."""
    with open_data(args.path) as reader:
        blocks = {block.meta.ulid: block for block in reader.blocks.refresh()}
    if not blocks:
        raise StorageError(f"no blocks found in {args.path}")
    name = args.block or list(blocks)[-1]
    if name not in blocks:
        raise StorageError(f"block {name} not found in {args.path}")
    block = blocks[name]
    index = block.index(Verdicts(Symbols()))
    selection = index.select(matchers_of(args.match))
    assert selection.labels is not None
    covered = _covered(block, selection.series)
    _print_head(block, selection.labels)
    _print_lists(selection.labels, covered, block, args.limit)
    if args.extended:
        _print_chunks(block)
    return 0


def _covered(block: Block, series: Longs) -> Longs:
    """Of each series, the ms of the block that it has no samples for."""
    first = np.full(len(series), block.meta.max_time)
    last = np.full(len(series), block.meta.min_time)
    for rows, which, at in block.rows(series, -(2**62), 2**62):
        np.minimum.at(first, at, rows.min_time[which])
        np.maximum.at(last, at, rows.max_time[which])
    missing: Longs = (block.meta.max_time - block.meta.min_time) - np.maximum(0, last - first)
    return missing


def _print_head(block: Block, labels: LabelTable) -> None:
    pairs = entries = 0
    for codes in labels.columns.values():
        pairs += len(np.unique(codes[codes > 0]))
        entries += int((codes > 0).sum())
    names = [name for name, codes in labels.columns.items() if codes.any()]
    print(f"Block ID: {block.meta.ulid}")
    print(f"Duration: {go_duration(block.meta.max_time - block.meta.min_time)}")
    print(f"Total Series: {labels.n}")
    print(f"Label names: {len(names)}")
    print(f"Postings (unique label pairs): {pairs}")
    print(f"Postings entries (total label pairs): {entries}")


def _print_lists(labels: LabelTable, missing: object, block: Block, limit: int) -> None:
    churn_pairs: dict[str, float] = {}
    churn_names: dict[str, float] = {}
    common: dict[str, float] = {}
    lengths: dict[str, float] = {}
    sizes: dict[str, float] = {}
    whole = max(1, block.meta.max_time - block.meta.min_time)
    gaps = np.asarray(missing) / whole
    for name, codes in labels.columns.items():
        distinct, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
        texts = labels.symbols.texts(distinct)
        lost = np.bincount(inverse, weights=gaps, minlength=len(distinct))
        there = [i for i, text in enumerate(texts) if text]
        for i in there:
            common[f"{name}={texts[i]}"] = int(counts[i])
            churn_pairs[f"{name}={texts[i]}"] = int(lost[i])
        churn_names[name] = int(sum(lost[i] for i in there))
        lengths[name] = sum(len(texts[i].encode()) for i in there)
        sizes[name] = len(there)
    metrics, counts = np.unique(labels.column(METRIC_NAME), return_counts=True)
    by_metric = dict(zip(labels.symbols.texts(metrics), counts.tolist(), strict=True))
    _print_list("Label pairs most involved in churning", churn_pairs, limit)
    _print_list("Label names most involved in churning", churn_names, limit)
    _print_list("Most common label pairs", common, limit)
    _print_list("Label names with highest cumulative label value length", lengths, limit)
    _print_list("Highest cardinality labels", sizes, limit)
    _print_list("Highest cardinality metric names", by_metric, limit)


def _print_list(title: str, counts: Mapping[str, float], limit: int) -> None:
    print(f"\n{title}:")
    for name, count in sorted(counts.items(), key=lambda item: -item[1])[:limit]:
        print(f"{int(count)} {name}")


def _print_chunks(block: Block) -> None:
    meta = block.meta
    a_chunk = meta.samples / max(1, meta.chunks)
    print(f"\nSamples a chunk: {a_chunk:.1f}")
    print(f"Bytes a sample: {meta.bytes / max(1, meta.samples):.3f}")

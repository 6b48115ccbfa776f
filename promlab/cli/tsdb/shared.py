"""What the tsdb commands have in common: opening, ranges of time, a progress bar."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from promlab.errors import StorageError
from promlab.model.samples import SeriesBatch
from promlab.stored.opening import ALWAYS_MS, DataFrames
from promlab.stored.selectors import matchers_of
from promlab.tsdb.blocks.meta import Meta

_BAR = 30


def add_path(parser: argparse.ArgumentParser) -> None:
    """The data directory."""
    parser.add_argument("path", nargs="?", default="data/", help="data directory (data/)")


def add_dump_flags(parser: argparse.ArgumentParser) -> None:
    """promtool's flags of the dump commands."""
    low, high = -(2**63), 2**63 - 1
    parser.add_argument("--min-time", type=int, default=low, help="first time, in ms")
    parser.add_argument("--max-time", type=int, default=high, help="last time, in ms")
    parser.add_argument("--match", action="append", default=[], help="selector; repeatable")
    parser.add_argument("--sandbox-dir-root", help=argparse.SUPPRESS)  # nothing is replayed here
    add_path(parser)


def open_data(path: str) -> DataFrames:
    """A data directory. Raises StorageError."""
    if not Path(path).is_dir():
        raise StorageError(f"opening the db dir: {path}: no such directory")
    return DataFrames(path)


def batches(args: argparse.Namespace) -> Iterator[SeriesBatch]:
    """The samples that are asked for, series by series, each as a whole."""
    with open_data(args.path) as reader:
        start = max(args.min_time, ALWAYS_MS[0])
        end = min(args.max_time, ALWAYS_MS[1])
        for text in args.match or [""]:
            matchers = matchers_of(text)
            for name in reader.label_values("__name__", matchers, start, end):
                own = matchers_of(f"{{__name__={_quoted(name)}}}")
                yield reader.select((*own, *matchers), start, end)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def progress(what: str) -> Callable[[float], None]:
    """Shows a share from 0 to 1 as a bar, on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        return lambda _share: None
    shown = [0.0]

    def show(share: float) -> None:
        now = time.monotonic()
        if now - shown[0] > 0.1 or share >= 1:
            shown[0] = now
            full = round(_BAR * min(1.0, share))
            bar = "█" * full + "░" * (_BAR - full)
            end = "\n" if share >= 1 else ""
            print(f"\r{what} {bar} {share:4.0%}", end=end, file=sys.stderr, flush=True)

    return show


HEADER = ("BLOCK ULID", "MIN TIME", "MAX TIME", "DURATION", "NUM SAMPLES", "NUM CHUNKS",
          "NUM SERIES", "SIZE")  # fmt: skip


def block_row(meta: Meta, *, human: bool = False) -> tuple[str, ...]:
    """A line of the table of blocks."""
    times = (meta.min_time, meta.max_time)
    return (
        meta.ulid,
        *(_moment(t) if human else str(t) for t in times),
        go_duration(meta.max_time - meta.min_time),
        *map(str, (meta.samples, meta.chunks, meta.series)),
        _size(meta.bytes) if human else str(meta.bytes),
    )


def print_table(rows: list[tuple[str, ...]], *, header: bool = True) -> None:
    """Columns as wide as they have to be, as Go's tabwriter makes them."""
    lines = [HEADER, *rows] if header else rows
    widths = [max(len(HEADER[i]), *(len(row[i]) for row in lines)) for i in range(len(HEADER))]
    for line in lines:
        padded = [cell.ljust(max(13, width + 2)) for cell, width in zip(line, widths, strict=True)]
        print("".join(padded[:-1]) + line[-1])


def _moment(t_ms: int) -> str:
    if not -62_135_596_800_000 <= t_ms <= 253_402_300_799_999:
        return str(t_ms)
    return time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(t_ms // 1000))


def _size(n: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n >= size:
            rest = _size(n % size) if n % size else ""
            return f"{n // size}{unit}{rest}"
    return f"{n}B"


def go_duration(ms: int) -> str:
    """A duration as Go prints it: 1h59m45.001s."""
    if ms < 1000:
        return f"{ms}ms" if ms else "0s"
    seconds, rest = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{seconds}" + (f".{rest:03d}".rstrip("0") if rest else "") + "s"
    if hours:
        return f"{hours}h{minutes}m{tail}"
    return f"{minutes}m{tail}" if minutes else tail

"""`promlab tsdb import`: OpenMetrics text, CSV, a Prometheus's data directory, or remote read.

A Prometheus's directory is read by its own promtool, which must be installed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from promlab.cli.flags import labels_of
from promlab.cli.http import add_client_flags
from promlab.cli.tsdb.import_remote import import_remote, is_remote
from promlab.cli.tsdb.shared import block_row, print_table, progress
from promlab.errors import StorageError
from promlab.stored.openmetrics import import_openmetrics
from promlab.tsdb.blocks.importing import BlockImporter


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument(
        "--format",
        choices=["openmetrics", "csv", "prometheus", "remote-read"],
        help="what the source is; default: a folder is Prometheus's, *.csv is CSV, "
        "an address is asked by remote read",
    )
    parser.add_argument("--label", action="append", default=[], help="NAME=VALUE for all samples")
    parser.add_argument("--metric", default="", help="CSV: metric, if no column is __name__")
    parser.add_argument("--timestamp", default="timestamp", help="CSV: column of times")
    parser.add_argument("--value", default="value", help="CSV: column of values")
    parser.add_argument("--promtool", default="promtool", help="Prometheus's promtool (promtool)")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not print created blocks")
    parser.add_argument(
        "--match", action="append", help="remote read: selector; repeatable (all series)"
    )
    parser.add_argument(
        "--min-time", type=int, help="remote read: first time, in ms (15 days before the last)"
    )
    parser.add_argument("--max-time", type=int, help="remote read: last time, in ms (now)")
    add_client_flags(parser)
    parser.add_argument(
        "source",
        help="file, data directory of a Prometheus, or address of remote read "
        "(http://host:9090/api/v1/read)",
    )
    parser.add_argument("output", nargs="?", default="data/", help="data directory (data/)")


def run(args: argparse.Namespace) -> int:
    """Read, write, print."""
    output = Path(args.output)
    if args.format == "remote-read" or (args.format is None and is_remote(args.source)):
        return _remote(args, output)
    source = Path(args.source)
    if not source.exists():
        raise StorageError(f"cannot read {source}: no such file or directory")
    kind = args.format or _kind(source)
    if kind == "csv":
        return _csv(args, source, output)
    importer = BlockImporter(output)
    more, show = labels_of(args.label), progress("importing")
    if kind == "prometheus":
        _from_prometheus(args.promtool, source, importer, more)
    else:
        import_openmetrics(source, importer, more, show)
    metas = importer.finish()
    show(1.0)
    if not args.quiet and metas:
        print_table([block_row(meta) for meta in metas])
    return 0


def _kind(source: Path) -> str:
    if source.is_dir():
        return "prometheus"
    return "csv" if source.suffix == ".csv" else "openmetrics"


def _from_prometheus(
    promtool: str, source: Path, importer: BlockImporter, more: dict[str, str]
) -> None:
    """Let promtool dump the samples, and read what it prints."""
    tool = shutil.which(promtool)
    if tool is None:
        raise StorageError(
            f"{promtool} is not installed: it comes with Prometheus, --promtool names it"
        )
    with tempfile.TemporaryDirectory(prefix="promlab-import-") as folder:
        text, scratch = Path(folder) / "dump", Path(folder) / "sandbox"
        scratch.mkdir()
        command = [tool, "tsdb", "dump-openmetrics", f"--sandbox-dir-root={scratch}", str(source)]
        with text.open("wb") as out:
            done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE)
        if done.returncode:
            raise StorageError(
                f"promtool can't read {source}: {done.stderr.decode(errors='replace').strip()}"
            )
        import_openmetrics(text, importer, more, progress("importing"))
        missing = _histograms_in([tool, "tsdb", "dump", command[3], str(source)])
    if missing:
        print(
            f"left out: {missing:,} native histograms, which promtool does not print in"
            f" OpenMetrics: start a Prometheus on {source} and import them from its address,"
            " http://HOST:PORT/api/v1/read",
            file=sys.stderr,
        )


def _histograms_in(dump: list[str]) -> int:
    """How many samples promtool dumps that are no numbers."""
    with subprocess.Popen(dump, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        return sum(line.rpartition(b" ")[0].endswith(b"}") for line in process.stdout)


def _remote(args: argparse.Namespace, output: Path) -> int:
    importer = BlockImporter(output)
    lacks = import_remote(args, importer)
    metas = importer.finish()
    if lacks:
        print(f"left out: {lacks}", file=sys.stderr)
    if not metas:
        print(f"{args.source} has no samples there", file=sys.stderr)
    elif not args.quiet:
        print_table([block_row(meta) for meta in metas])
    return 0


def _csv(args: argparse.Namespace, source: Path, output: Path) -> int:
    import polars as pl

    from promlab.tsdb import write_frame

    try:
        frame = pl.read_csv(source, try_parse_dates=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StorageError(f"cannot read {source}: {error}") from None
    frame = frame.with_columns(
        [pl.lit(value).alias(name) for name, value in labels_of(args.label).items()]
    )
    stored = write_frame(
        output, frame, name=args.metric, timestamp=args.timestamp, value=args.value
    )
    if not args.quiet:
        print(f"{stored} samples stored in {output}")
    return 0

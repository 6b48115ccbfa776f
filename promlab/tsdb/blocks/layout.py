"""Files and columns of a block; docs/format.md describes them for everybody else."""

from __future__ import annotations

from promlab.tsdb.blocks.parquet_write import Column

META = "meta.json"
SERIES = "series.parquet"
TIMES = "times.parquet"
SAMPLES = "samples.parquet"
HISTOGRAMS = "histograms.parquet"
EXEMPLARS = "exemplars.parquet"
TOMBSTONES = "tombstones.parquet"

FORMAT = 1
TMP = ".tmp-for-creation"
GONE = ".tmp-for-deletion"
ASIDE = ".damaged"

SEGMENT_MS = 6 * 3_600_000  # rows are sorted by this stretch of time first, by series second
HISTOGRAM_ROW = -2  # the scale of a row whose integers are row numbers of HISTOGRAMS

SERIES_ID = "__series__"
TIME_COLUMNS = (Column("times", "int"), Column("count", "int"), Column("t_ms", "ints"))
SAMPLE_COLUMNS = (
    Column("series", "int", bounds=True),
    Column("times", "int"),
    Column("count", "int"),
    Column("min_time", "int", bounds=True),
    Column("max_time", "int", bounds=True),
    Column("scale", "int"),
    Column("n", "ints"),
    Column("x", "floats"),
    Column("start_ms", "ints"),
)
TOMBSTONE_COLUMNS = (
    Column("series", "int", bounds=True),
    Column("min_time", "int"),
    Column("max_time", "int"),
)
HISTOGRAM_COLUMNS = (
    Column("schema", "int"),
    Column("hint", "int"),
    Column("zero_threshold", "float"),
    Column("zero_count", "float"),
    Column("count", "float"),
    Column("sum", "float"),
    Column("bounds", "floats"),
    Column("positive", "ints"),
    Column("positive_counts", "floats"),
    Column("negative", "ints"),
    Column("negative_counts", "floats"),
)


def label_column(label: str) -> str:
    """The column of a label: its own name, unless that is the number's."""
    return label + "=" if label.rstrip("=") == SERIES_ID else label


def column_label(column: str) -> str:
    """The label of a column."""
    return column[:-1] if column.rstrip("=") == SERIES_ID else column

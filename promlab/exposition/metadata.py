"""The HELP, TYPE and UNIT lines of a body."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.exposition.line_kernels import HELP, TYPE
from promlab.exposition.problems import error_at
from promlab.exposition.strings import unescape
from promlab.model.metadata import MetricMetadata, MetricType

_OPENMETRICS_TYPES: dict[str, MetricType] = {kind.value: kind for kind in MetricType}
_TEXT_TYPES = {
    "counter": MetricType.COUNTER,
    "gauge": MetricType.GAUGE,
    "histogram": MetricType.HISTOGRAM,
    "summary": MetricType.SUMMARY,
    "untyped": MetricType.UNKNOWN,
}


class TypeRun(NamedTuple):
    """Rows from `first_row` on stand below a TYPE line of this type, up to the next run."""

    first_row: int
    type: MetricType
    family: str = ""


def read_metadata(
    body: bytes, comments: npt.NDArray[np.int32], *, openmetrics: bool
) -> tuple[dict[str, MetricMetadata], list[TypeRun]]:
    """Metadata by the families' names, and where each type begins to hold.

    `comments` are those of `scan_kernels.scan`. A later line about the same family replaces
    an earlier one. Raises ExpositionError for an unknown type, a unit that is not the end of
    the name, and text that is not UTF-8.
    """
    families: dict[str, MetricMetadata] = {}
    runs: list[TypeRun] = []
    types = _OPENMETRICS_TYPES if openmetrics else _TEXT_TYPES
    for kind, name_start, name_end, start, end, row in comments.tolist():
        try:
            name = unescape(body[name_start:name_end].decode())
            text = body[start:end].decode()
        except UnicodeDecodeError:
            raise error_at("the text is not valid UTF-8", body, name_start) from None
        known = families.get(name, MetricMetadata())
        if kind == HELP:
            families[name] = known._replace(help=unescape(text, quotes=openmetrics))
        elif kind == TYPE:
            if text not in types:
                hint = f"{text[:40]!r} is not a metric type here: one of {', '.join(types)}"
                raise error_at(hint, body, name_start)
            families[name] = known._replace(type=types[text])
            runs.append(TypeRun(row, types[text], name))
        else:
            if text and not name.endswith(f"_{text}"):
                hint = f"the unit {text[:40]!r} is not the end of the name {name[:80]!r}"
                raise error_at(hint, body, name_start)
            families[name] = known._replace(unit=text)
    return families, runs

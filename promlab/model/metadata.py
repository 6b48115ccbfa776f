"""What a target says about its metrics: type, help and unit."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class MetricType(Enum):
    """Types of metric families, by the names the HTTP API uses."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    GAUGE_HISTOGRAM = "gaugehistogram"
    SUMMARY = "summary"
    INFO = "info"
    STATESET = "stateset"
    UNKNOWN = "unknown"


class MetricMetadata(NamedTuple):
    """The description of one metric family."""

    type: MetricType = MetricType.UNKNOWN
    help: str = ""
    unit: str = ""

"""Families of a prometheus_client registry, with all that it knows.

The library's own renderers leave native histograms out, and it has none for protobuf; its
families become ours here, and any format follows.
"""

from __future__ import annotations

from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from promlab.exporters.families import Exemplar, Family, gauge, label_key
from promlab.instrument.native_histogram import MetricWithNatives

_TYPES = {
    "counter": "counter",
    "gauge": "gauge",
    "histogram": "histogram",
    "summary": "summary",
    "info": "gauge",
    "stateset": "gauge",
    "gaugehistogram": "histogram",
}
_SUFFIXES = {"counter": "_total", "info": "_info"}
_FLOAT_LABELS = {"histogram": "le", "gaugehistogram": "le", "summary": "quantile"}


def families_of(registry: Collector = REGISTRY) -> list[Family]:
    """The families of a registry, as they are at this moment."""
    return [family for metric in registry.collect() for family in _families(metric)]


def _families(metric: Metric) -> list[Family]:
    """The family of a metric, and gauges of what its type has no place for."""
    name = metric.name + _SUFFIXES.get(metric.type, "")
    family = Family(name, _TYPES.get(metric.type, "untyped"), metric.documentation)
    float_label = _FLOAT_LABELS.get(metric.type, "")
    others: dict[str, Family] = {}
    for sample in metric.samples:
        if sample.name == f"{metric.name}_created" and metric.type in _TYPES:
            family.created[label_key(sample.labels, float_label)] = sample.value
        elif metric.type == "gaugehistogram" and sample.name.endswith(("_gsum", "_gcount")):
            other = others.setdefault(sample.name, gauge(sample.name, metric.documentation))
            other.add(sample.value, sample.labels)
        elif getattr(sample, "native_histogram", None) is None:
            if sample.exemplar is not None:
                family.exemplars[len(family.samples)] = _exemplar(sample.exemplar)
            family.samples.append((sample.name, sample.labels, sample.value))
    if isinstance(metric, MetricWithNatives):
        family.natives.update(metric.natives)
    return [family, *others.values()]


def _exemplar(exemplar: Any) -> Exemplar:
    time_s = None if exemplar.timestamp is None else float(exemplar.timestamp)
    return Exemplar(exemplar.labels, exemplar.value, time_s)

"""Instrumentation: what prometheus_client, the library for it, leaves out.

`NativeHistogram` is a metric type beside the library's own; `families_of` gives a registry's
families, native histograms included, to the renderers of the exporters.
"""

from promlab.instrument.native_histogram import NativeHistogram
from promlab.instrument.registry import families_of

__all__ = ["NativeHistogram", "families_of"]

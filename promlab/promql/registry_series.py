"""The functions that look along one series: rates of counters, trends, values over time."""

from __future__ import annotations

from promlab.promql.registry_spec import FunctionSpec, function

_COUNTER = (
    "Counter resets are noticed (the value falls) and made good. Needs at least two samples in "
    "the range: make it at least four times the scrape interval."
)

RATES: tuple[FunctionSpec, ...] = (
    function(
        "rate",
        "rate",
        "counter:range",
        "How fast a counter grows, per second, averaged over the range.",
        f"{_COUNTER} The result is extrapolated to the edges of the range. Take the rate first "
        "and aggregate then: `sum(rate(x[5m]))`, never `rate(sum(x)[5m:])`.",
    ),
    function(
        "rate",
        "increase",
        "counter:range",
        "How much a counter grew within the range.",
        f"{_COUNTER} It is `rate` times the seconds of the range, so the result is extrapolated "
        "and need not be a whole number.",
    ),
    function(
        "rate",
        "irate",
        "counter:range",
        "How fast a counter grows, per second, between its last two samples in the range.",
        "For graphs of fast-moving counters; `rate` is the better choice for alerts.",
    ),
    function(
        "rate",
        "delta",
        "gauge:range",
        "Difference between the last and the first value of a gauge in the range.",
        "Extrapolated to the edges of the range. For counters use `increase`.",
    ),
    function(
        "rate",
        "idelta",
        "gauge:range",
        "Difference between the last two samples of a gauge in the range.",
    ),
    function(
        "rate",
        "deriv",
        "gauge:range",
        "Slope of a gauge, per second, by linear regression over the range.",
        "Needs at least two samples; histograms are left out.",
    ),
    function(
        "rate",
        "predict_linear",
        "gauge:range seconds:scalar",
        "The value a gauge will have in so many seconds, by linear regression over the range.",
        "`predict_linear(node_filesystem_avail_bytes[6h], 86400) < 0` asks whether a disk will "
        "be full within a day.",
    ),
    function(
        "rate",
        "double_exponential_smoothing",
        "gauge:range smoothing:scalar trend:scalar",
        "A smoothed value of a gauge; both factors lie between 0 and 1.",
        "The lower the smoothing factor, the more old samples weigh; the higher the trend "
        "factor, the more trends are followed.",
        experimental=True,
    ),
    function(
        "rate",
        "changes",
        "v:range",
        "How often the value changed within the range.",
    ),
    function(
        "rate",
        "resets",
        "counter:range",
        "How often a counter was reset within the range.",
        "Any fall of the value between two samples counts as a reset.",
    ),
)


def _over_time(
    name: str, summary: str, details: str = "", takes: str = "v:range", experimental: bool = False
) -> FunctionSpec:
    return function("over_time", name, takes, summary, details, experimental=experimental)


OVER_TIME: tuple[FunctionSpec, ...] = (
    _over_time("avg_over_time", "Average of all values in the range."),
    _over_time("sum_over_time", "Sum of all values in the range."),
    _over_time("min_over_time", "Smallest value in the range."),
    _over_time("max_over_time", "Largest value in the range."),
    _over_time("count_over_time", "Number of samples in the range."),
    _over_time("stddev_over_time", "Standard deviation (population) of the values in the range."),
    _over_time("stdvar_over_time", "Variance (population) of the values in the range."),
    _over_time(
        "quantile_over_time",
        "The φ-quantile (0 ≤ φ ≤ 1) of the values in the range.",
        "Linear interpolation between neighbours; φ below 0 gives -Inf, above 1 +Inf.",
        "φ:scalar v:range",
    ),
    _over_time("last_over_time", "The newest value in the range.", "Keeps the metric name."),
    _over_time("first_over_time", "The oldest value in the range.", "Keeps the metric name."),
    _over_time("present_over_time", "1 for every series that has a sample in the range."),
    _over_time(
        "absent_over_time",
        "1 if no series has a sample in the range, else nothing.",
        "Its labels are those that the selector fixes with `=`. For alerts on what is missing.",
    ),
    _over_time(
        "mad_over_time",
        "Median absolute deviation of the values in the range.",
        experimental=True,
    ),
    _over_time(
        "ts_of_min_over_time",
        "Time of the smallest value in the range, in seconds since 1970.",
        "The newest one where several are equal.",
        experimental=True,
    ),
    _over_time(
        "ts_of_max_over_time",
        "Time of the largest value in the range, in seconds since 1970.",
        "The newest one where several are equal.",
        experimental=True,
    ),
    _over_time(
        "ts_of_first_over_time",
        "Time of the oldest sample in the range, in seconds since 1970.",
        experimental=True,
    ),
    _over_time(
        "ts_of_last_over_time",
        "Time of the newest sample in the range, in seconds since 1970.",
        experimental=True,
    ),
)

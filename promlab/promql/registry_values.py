"""The functions that work on values at one moment: mathematics, time, labels, histograms."""

from __future__ import annotations

from promlab.promql.registry_spec import FunctionSpec, function
from promlab.promql.valuetype import ValueType

_SCALAR = ValueType.SCALAR


def _math(name: str, summary: str, details: str = "", takes: str = "v:vector") -> FunctionSpec:
    return function("math", name, takes, summary, details)


MATH: tuple[FunctionSpec, ...] = (
    _math("abs", "Absolute value."),
    _math("ceil", "The value rounded up to a whole number."),
    _math("floor", "The value rounded down to a whole number."),
    _math(
        "round",
        "The value rounded to the nearest multiple of `to_nearest`, by default 1.",
        "Halves are rounded up; `to_nearest` may be a fraction: `round(x, 0.25)`.",
        "v:vector to_nearest:scalar?",
    ),
    _math("sgn", "Sign of the value: 1, 0 or -1."),
    _math("sqrt", "Square root."),
    _math("exp", "e to the power of the value."),
    _math("ln", "Natural logarithm; of 0 it is -Inf, of negative values NaN."),
    _math("log2", "Logarithm to base 2."),
    _math("log10", "Logarithm to base 10."),
    _math(
        "clamp",
        "The value, but at least `min` and at most `max`.",
        "Empty if `min` is larger than `max`; NaN if either is NaN.",
        "v:vector min:scalar max:scalar",
    ),
    _math("clamp_min", "The value, but at least `min`.", takes="v:vector min:scalar"),
    _math("clamp_max", "The value, but at most `max`.", takes="v:vector max:scalar"),
    _math("acos", "Arc cosine, in radians."),
    _math("acosh", "Inverse hyperbolic cosine."),
    _math("asin", "Arc sine, in radians."),
    _math("asinh", "Inverse hyperbolic sine."),
    _math("atan", "Arc tangent, in radians."),
    _math("atanh", "Inverse hyperbolic tangent."),
    _math("cos", "Cosine of an angle in radians."),
    _math("cosh", "Hyperbolic cosine."),
    _math("sin", "Sine of an angle in radians."),
    _math("sinh", "Hyperbolic sine."),
    _math("tan", "Tangent of an angle in radians."),
    _math("tanh", "Hyperbolic tangent."),
    _math("deg", "Radians as degrees."),
    _math("rad", "Degrees as radians."),
    function("math", "pi", "", "The number π.", returns=_SCALAR),
    function(
        "math",
        "min_of",
        "a:scalar b:scalar",
        "The smaller of two numbers.",
        "Also inside durations: `x[min_of(step(), 5m)]`.",
        returns=_SCALAR,
        experimental=True,
    ),
    function(
        "math",
        "max_of",
        "a:scalar b:scalar",
        "The larger of two numbers.",
        "Also inside durations: `x[max_of(step(), 5m)]`.",
        returns=_SCALAR,
        experimental=True,
    ),
)


def _calendar(name: str, summary: str) -> FunctionSpec:
    details = "Values are seconds since 1970, in UTC; without an argument, the evaluation time."
    return function("time", name, "v:vector?", summary, details)


def _of_query(name: str, summary: str, details: str = "") -> FunctionSpec:
    return function("time", name, "", summary, details, returns=_SCALAR, experimental=True)


TIME: tuple[FunctionSpec, ...] = (
    function(
        "time",
        "time",
        "",
        "The evaluation time, in seconds since 1970.",
        "`time() - x` is the age of what happened at `x`.",
        returns=_SCALAR,
    ),
    function(
        "time",
        "timestamp",
        "v:vector",
        "Time of each sample, in seconds since 1970.",
        "For a plain selector it is when the sample was scraped, not the evaluation time.",
    ),
    function(
        "time",
        "start_timestamp",
        "v:vector",
        "When the counter behind each sample started, in seconds since 1970.",
        "Only for a plain selector, and where targets expose start timestamps.",
        experimental=True,
    ),
    _calendar("minute", "Minute of the hour, 0 to 59."),
    _calendar("hour", "Hour of the day, 0 to 23."),
    _calendar("day_of_week", "Day of the week, 0 (Sunday) to 6."),
    _calendar("day_of_month", "Day of the month, 1 to 31."),
    _calendar("day_of_year", "Day of the year, 1 to 366."),
    _calendar("days_in_month", "Length of the month in days, 28 to 31."),
    _calendar("month", "Month of the year, 1 to 12."),
    _calendar("year", "The year."),
    _of_query("start", "First moment of the query's time range, in seconds since 1970."),
    _of_query("end", "Last moment of the query's time range, in seconds since 1970."),
    _of_query(
        "range",
        "Length of the query's time range in seconds; 0 in an instant query.",
        "Also inside durations: `x[range()]`.",
    ),
    _of_query(
        "step",
        "Step of the range query in seconds; 0 in an instant query.",
        "Also inside durations: `rate(x[step() + 1m])`.",
    ),
)

LABEL: tuple[FunctionSpec, ...] = (
    function(
        "label",
        "label_replace",
        "v:vector dst:string replacement:string src:string regex:string",
        "Sets label `dst` to `replacement` wherever `regex` matches the whole of label `src`.",
        "`$1`, `${name}` in the replacement are groups of the expression; an empty result "
        "removes the label; series that don't match stay as they are.",
    ),
    function(
        "label",
        "label_join",
        "v:vector dst:string separator:string src:string*",
        "Sets label `dst` to the values of the `src` labels with `separator` between them.",
    ),
    function(
        "label",
        "info",
        "v:vector selector:vector?",
        "Adds the labels of info metrics that describe the same job and instance.",
        "By default those of `target_info`; the second argument, matchers in braces, chooses "
        'other metrics or labels: `info(x, {k8s_cluster_name=~".+"})`.',
        experimental=True,
    ),
    function(
        "shape",
        "absent",
        "v:vector",
        "1 if the vector is empty, else nothing.",
        "Its labels are those that the selector fixes with `=`. For alerts on what is missing.",
    ),
    function(
        "shape",
        "scalar",
        "v:vector",
        "The value of the only series as a number; NaN if there are none or several.",
        returns=_SCALAR,
    ),
    function("shape", "vector", "s:scalar", "A number as a vector of one series with no labels."),
    function(
        "shape",
        "sort",
        "v:vector",
        "Series ordered by value, smallest first.",
        "For instant queries; a range query orders its series by their labels.",
    ),
    function(
        "shape",
        "sort_desc",
        "v:vector",
        "Series ordered by value, largest first.",
        "For instant queries; a range query orders its series by their labels.",
    ),
    function(
        "shape",
        "sort_by_label",
        "v:vector label:string*",
        "Series ordered by the values of these labels, numbers in them by size.",
        experimental=True,
    ),
    function(
        "shape",
        "sort_by_label_desc",
        "v:vector label:string*",
        "Series ordered by the values of these labels, backwards.",
        experimental=True,
    ),
)

_NATIVE = "Float samples are left out: for native histograms only."

HISTOGRAM: tuple[FunctionSpec, ...] = (
    function(
        "histogram",
        "histogram_quantile",
        "φ:scalar buckets:vector",
        "The φ-quantile (0 ≤ φ ≤ 1) of a histogram.",
        "For classic histograms the label `le` must be kept: "
        "`histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))`; native histograms "
        "need no `le`. Interpolated within the bucket.",
    ),
    function(
        "histogram",
        "histogram_quantiles",
        "buckets:vector label:string φ1:scalar " + " ".join(f"φ{i}:scalar?" for i in range(2, 11)),
        "Up to ten quantiles of a histogram at once, told apart by the new label.",
        experimental=True,
    ),
    function(
        "histogram",
        "histogram_fraction",
        "lower:scalar upper:scalar buckets:vector",
        "The share of observations between two bounds, 0 to 1.",
        "`histogram_fraction(0, 0.2, rate(x[1h]))` is the share of requests below 200 ms.",
    ),
    function("histogram", "histogram_avg", "v:vector", "Average of the observed values.", _NATIVE),
    function("histogram", "histogram_count", "v:vector", "Number of observations.", _NATIVE),
    function("histogram", "histogram_sum", "v:vector", "Sum of the observed values.", _NATIVE),
    function(
        "histogram",
        "histogram_stddev",
        "v:vector",
        "Estimated standard deviation of the observed values.",
        _NATIVE,
    ),
    function(
        "histogram",
        "histogram_stdvar",
        "v:vector",
        "Estimated variance of the observed values.",
        _NATIVE,
    ),
)

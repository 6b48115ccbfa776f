"""The exercises of notebooks/03-promql.ipynb, and the worlds that they are about."""

from __future__ import annotations

from promlab.lab.exercises import Exercise, Exercises
from promlab.lab.fleet import World, simulate

_RATE = "rate(http_requests_total[5m])"
_BY_INSTANCE = f"sum by (instance) ({_RATE})"
_ERRORS = 'sum by (instance) (rate(http_requests_total{code="500"}[5m]))'
_JOIN = f"sum by (version) ({_BY_INSTANCE} * on (instance) group_left (version) app_build_info)"
_P99 = (
    "histogram_quantile(0.99, sum by (le, path) (rate(http_request_duration_seconds_bucket[5m])))"
)
_PEAK = "max_over_time(sum(rate(http_requests_total[2m]))[30m:1m])"

EXERCISES = (
    Exercise(
        "Select",
        "The counters of failed requests (code 500) to the paths / and /cart.",
        'http_requests_total{code="500", path=~"/|/cart"}',
        (
            "Two matchers in braces, with a comma between them.",
            'path=~"a|b" takes either; a pattern has to fit the whole value.',
            'http_requests_total{code="500", path=~"/|/cart"}',
        ),
    ),
    Exercise(
        "Rate",
        "How many requests per second each series counted, over the last 5 minutes.",
        _RATE,
        ("A counter needs rate.", "rate wants a window in square brackets: [5m].", _RATE),
    ),
    Exercise(
        "Add up",
        "Requests per second by path, over the last 5 minutes.",
        f"sum by (path) ({_RATE})",
        ("First rate, then sum.", "sum by (…) keeps the labels that you name.",
         f"sum by (path) ({_RATE})"),
    ),
    Exercise(
        "A share",
        "The share of failed requests (code 500) of each instance, over the last 5 minutes.",
        f"{_ERRORS} / {_BY_INSTANCE}",
        (
            "Failed ones per second, divided by all per second.",
            "Both sides need the same labels: sum by (instance) on each.",
            f"{_ERRORS} / {_BY_INSTANCE}",
        ),
    ),
    Exercise(
        "Join",
        "Requests per second by version of the program, over the last 5 minutes.",
        _JOIN,
        (
            "The version is a label of app_build_info, whose value is always 1.",
            "rate by instance, times on (instance) group_left (version) app_build_info.",
            _JOIN,
        ),
    ),
    Exercise(
        "Subquery",
        "The most requests per second that the fleet had in the last 30 minutes: "
        "rates over 2 minutes, looked at once a minute.",
        _PEAK,
        (
            "First the question for one moment: the sum of all rates.",
            "A query with [30m:1m] behind it is asked once a minute; max_over_time takes that.",
            _PEAK,
        ),
    ),
    Exercise(
        "Quantile",
        "How slow the slowest 1 % of requests are, by path, over all instances and 5 minutes.",
        _P99,
        (
            "histogram_quantile(0.99, …) wants rates of buckets.",
            "Add the instances up first, and keep le: sum by (le, path).",
            _P99,
        ),
    ),
    Exercise(
        "What is gone",
        "The targets whose last scrape failed.",
        "up == 0",
        ("A series of its own says how each scrape went.", "It is called up.", "up == 0"),
    ),
)  # fmt: skip


def make_world(seed: int) -> World:
    """An hour in which something happens: a new version, a restart, a slow database."""
    world = simulate(seed)
    world.advance("40m")
    world.fleet.deploy("api-3", "1.5.0")
    world.advance("5m")
    world.fleet.restart("api-2")
    world.advance("5m")
    world.fleet.slow("db", 3)
    world.advance("8m")
    world.fleet.stop("worker-2")
    return world.advance("2m")


def practice() -> Exercises:
    """The eight exercises of the PromQL notebook."""
    return Exercises("PromQL", make_world, EXERCISES)

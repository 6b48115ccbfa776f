"""The file of a unit test: series, and the alerts and samples that rules should make of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from promlab.config import kinds
from promlab.config.document import At, parse, read_text
from promlab.config.kinds import Kind, list_of
from promlab.config.rules import texts
from promlab.config.section import Section, opt, record, sections

DEFAULT_INTERVAL_MS = 60_000
_EMPTY = "an empty entry"


def _start(at: At) -> int:
    text = at.text()
    try:
        return round(float(text) * 1000)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        at.fail(f"{text!r} is not a time: write RFC 3339 or seconds since 1970")
    if moment.tzinfo is None:
        at.fail(f"{text!r} has no time zone: end it with Z")
    return round(moment.timestamp() * 1000)


start_time: Kind[int] = Kind(_start, lambda t_ms: t_ms / 1000, 0)


@record
class InputSeries(Section):
    """A series in the notation of promqltest."""

    series: str = opt(kinds.string, "")
    values: str = opt(kinds.string, "")


@record
class ExpectedAlert(Section):
    """An alert that should fire; `alertname` is added by itself."""

    exp_labels: Mapping[str, str] = opt(texts, {})
    exp_annotations: Mapping[str, str] = opt(texts, {})


@record
class AlertTest(Section):
    """All alerts of one name that should fire at a time."""

    eval_time_ms: int = opt(kinds.duration, 0, key="eval_time")
    alertname: str = opt(kinds.string, "")
    groupname: str = opt(kinds.string, "")
    exp_alerts: tuple[ExpectedAlert, ...] = opt(sections(ExpectedAlert, _EMPTY), ())


@record
class ExpectedSample(Section):
    """A sample: a value, or a histogram in the notation of promqltest."""

    labels: str = opt(kinds.string, "")
    value: float = opt(kinds.number, 0.0)
    histogram: str = opt(kinds.string, "")


@record
class ExprTest(Section):
    """What an expression should give at a time."""

    expr: str = opt(kinds.string, "")
    eval_time_ms: int = opt(kinds.duration, 0, key="eval_time")
    exp_samples: tuple[ExpectedSample, ...] = opt(sections(ExpectedSample, _EMPTY), ())


@record
class TestGroup(Section):
    """Series and what is expected of them; its name is for messages."""

    name: str = opt(kinds.string, "")
    interval_ms: int = opt(kinds.duration, 0, key="interval")
    start_ms: int = opt(start_time, 0, key="start_timestamp")
    input_series: tuple[InputSeries, ...] = opt(sections(InputSeries, _EMPTY), ())
    alert_rule_test: tuple[AlertTest, ...] = opt(sections(AlertTest, _EMPTY), ())
    promql_expr_test: tuple[ExprTest, ...] = opt(sections(ExprTest, _EMPTY), ())
    external_labels: Mapping[str, str] = opt(texts, {})
    external_url: str = opt(kinds.string, "")


@record
class TestFile(Section):
    """A whole file."""

    rule_files: tuple[str, ...] = opt(list_of(Kind(kinds.path.read, str, "")), ())
    evaluation_interval_ms: int = opt(
        kinds.duration, DEFAULT_INTERVAL_MS, key="evaluation_interval"
    )
    group_eval_order: tuple[str, ...] = opt(kinds.strings, ())
    fuzzy_compare: bool = opt(kinds.boolean, False)
    tests: tuple[TestGroup, ...] = opt(sections(TestGroup, _EMPTY), ())

    def check(self, at: At) -> None:
        """Time has to go on."""
        if self.evaluation_interval_ms <= 0:
            at.get("evaluation_interval").fail("must be greater than zero")


def load(path: str) -> TestFile:
    """The tests in a file. Raises ConfigError with line and column."""
    return TestFile.read(parse(read_text(path), path))

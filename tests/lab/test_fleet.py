"""The simulated fleet: the same for everybody, and what a scrape loop would write."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promlab.errors import ServerError
from promlab.lab import simulate
from promlab.lab.fleet.world import START_MS, World
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import is_stale

ALL = [Matcher("__name__", MatchType.NOT_EQUAL, "")]


@pytest.fixture
def lab() -> Iterator[World]:
    world = simulate(seed=1)
    yield world
    world.close()


def samples(world: World) -> dict[tuple[tuple[str, str], ...], tuple[list[int], bytes]]:
    batch = world._log.select(ALL, 0, 2**62)
    found = {}
    for s, labels in enumerate(batch.labels.rows()):
        times, values = batch.series(s)
        found[tuple(sorted(labels.items()))] = times.tolist(), values.tobytes()
    return found


def raw(world: World, metric: str, instance: str) -> tuple[list[float], np.ndarray]:
    chosen = [
        Matcher("__name__", MatchType.EQUAL, metric),
        Matcher("instance", MatchType.EQUAL, instance),
    ]
    batch = world._log.select(chosen, 0, 2**62)
    times, values = batch.series(0)
    return ((times - START_MS) / 1000).tolist(), values


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_how_the_clock_is_moved_changes_nothing(pieces: list[int]) -> None:
    one, many = simulate(seed=4), simulate(seed=4)
    try:
        one.advance(sum(pieces))
        for seconds in pieces:
            many.advance(seconds)
        assert samples(one) == samples(many)
    finally:
        one.close()
        many.close()


def test_seeds_differ_and_repeat(lab: World) -> None:
    same, other = simulate(seed=1), simulate(seed=2)
    for world in (lab, same, other):
        world.advance("5m")
    assert samples(lab) == samples(same) != samples(other)
    same.close()
    other.close()


def test_counters_count_what_was_served(lab: World) -> None:
    lab.advance("10m")
    for name in ("api-1", "api-2"):
        times, _ = raw(lab, "up", f"{name}:8000")
        at_ms = START_MS + int(times[-1] * 1000)
        served = lab.served(name)
        counted = lab.query(f'sum(http_requests_total{{instance="{name}:8000"}})').values[0]
        failed = lab.query(
            f'sum(http_requests_total{{instance="{name}:8000", code="500"}})'
        ).values[0]
        assert counted == (served.t_ms <= at_ms).sum() > 0
        assert failed == served.failed[served.t_ms <= at_ms].sum()


def test_a_restart_begins_at_zero_and_loses_what_came_after_the_last_scrape(lab: World) -> None:
    lab.advance("10m")
    before = lab.query('http_requests_total{instance="api-2:8000", path="/", code="200"}').values[0]
    start = lab.query('process_start_time_seconds{instance="api-2:8000"}').values[0]
    lab.fleet.restart("api-2")
    lab.advance("1m")
    after = lab.query('http_requests_total{instance="api-2:8000", path="/", code="200"}').values[0]
    again = lab.query('process_start_time_seconds{instance="api-2:8000"}').values[0]
    assert after < before
    assert again == start + 600
    assert lab.query('resets(http_requests_total{instance="api-2:8000", path="/",code="200"}[5m])')


def test_a_stopped_target_is_down_and_its_series_end(lab: World) -> None:
    lab.advance("2m")
    lab.fleet.stop("api-2")
    lab.advance("1m")
    times, values = raw(lab, "http_requests_in_progress", "api-2:8000")
    _, up = raw(lab, "up", "api-2:8000")
    assert is_stale(values).tolist() == [False] * (len(values) - 1) + [True]
    assert 120 < times[-1] <= 135  # at the first scrape that failed, and only there
    assert up.tolist()[-4:] == [0.0] * 4
    assert not lab.query('http_requests_in_progress{instance="api-2:8000"}')
    assert lab.query('scrape_samples_scraped{instance="api-2:8000"}').values[0] == 0
    assert len(lab.served("api-2", "30s").t_ms) == 0
    lab.fleet.start("api-2")
    lab.advance("1m")
    assert lab.query('http_requests_in_progress{instance="api-2:8000"}')


def test_a_removed_target_takes_up_with_it(lab: World) -> None:
    lab.advance("2m")
    lab.fleet.remove("worker-1")
    lab.advance("1m")
    assert not lab.query('{instance="worker-1:8000"}')
    _, up = raw(lab, "up", "worker-1:8000")
    assert is_stale(up).sum() == 1
    assert len(lab.targets()) == 5
    assert len(lab.targets("dropped")) == 1


def test_dropped_scrapes_time_out_and_come_back(lab: World) -> None:
    lab.advance("2m")
    lab.fleet.drop_scrapes(2, "db")
    lab.advance("2m")
    _, up = raw(lab, "up", "db:9187")
    _, took = raw(lab, "scrape_duration_seconds", "db:9187")
    assert (up == 0).sum() == 2
    assert took[up == 0].tolist() == [10.0, 10.0]
    _, values = raw(lab, "db_connections_max", "db:9187")
    assert is_stale(values).sum() == 1


def test_an_outage_of_the_server_leaves_a_gap_and_no_marker(lab: World) -> None:
    lab.advance("2m")
    lab.outage("3m")
    assert lab.query("count(up)").values[0] == 6  # still within the lookback
    lab.outage("3m")
    assert not lab.query("up")
    lab.advance("1m")
    _, values = raw(lab, "up", "api-1:8000")
    assert not is_stale(values).any()


def test_a_new_version_is_a_new_series_and_the_old_one_ends(lab: World) -> None:
    lab.advance("2m")
    lab.fleet.deploy("api-1", "1.5.0")
    lab.advance("1m")
    found = lab.query('app_build_info{instance="api-1:8000"}')
    assert [row["version"] for row in found.batch.labels.rows()] == ["1.5.0"]


def test_a_slow_database_slows_the_api(lab: World) -> None:
    query = "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[2m])))"
    lab.advance("10m")
    before = lab.query(query).values[0]
    lab.fleet.slow("db", 5)
    lab.advance("5m")
    assert lab.query(query).values[0] > 2 * before


def test_failures_on_call(lab: World) -> None:
    lab.fleet.fail("api-3", 0.5)
    lab.advance("5m")
    served = lab.served("api-3")
    assert 0.4 < served.failed.mean() < 0.6


def test_it_answers_as_a_client_does(lab: World) -> None:
    lab.advance("5m")
    assert lab.label_values("job") == ["api", "db", "worker"]
    assert "path" in lab.labels('http_requests_total{job="api"}')
    assert len(lab.series("up")) == 6
    graph = lab.query_range("up", "now-2m", step="30s")
    assert len(graph) == 6
    assert lab.metadata("jobs_total")["jobs_total"][0]["type"] == "counter"
    names = set(lab.label_values("__name__"))
    assert set(lab.metadata()) <= names | {
        name.removesuffix("_count") for name in names if name.endswith("_count")
    }


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        (lambda lab: lab.fleet.restart("api2"), "did you mean 'api-2'"),
        (lambda lab: lab.fleet.slow("db", 0), "factor"),
        (lambda lab: lab.fleet.fail("db", 2), "share"),
        (lambda lab: lab.fleet.drop_scrapes(-1), "how many"),
        (lambda lab: lab.advance("soon"), "advance"),
        (lambda lab: lab.advance("30d"), "a day at most"),
        (lambda lab: lab.served("nobody"), "there are"),
    ],
)
def test_bad_input_is_told(lab: World, deed: object, says: str) -> None:
    with pytest.raises(ServerError, match=says):
        deed(lab)  # type: ignore[operator]

"""Odd times, durations and limits: the real Prometheus and promlab say the same.

Where they can't, docs/reference/http-api.md says why, and what promlab does is shown here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from promlab.server.settings import Settings
from tests.real_programs import prometheus
from tests.server.fake_server import client_of, make_context

Request = tuple[str, dict[str, str]]


def words(text: str) -> list[str]:
    return text.split()


DURATIONS = words("""0 -0 1 -1 0.001 0.0015 NaN nan Inf -Inf inf 1e9 9e9 9.3e9 -9.3e9 1e30 1e400
9223372036.854775807 9223372036.854774 1ms 0ms 0s 1h 1h1h 1m1h -1m 1.5m +5m 0x10 0x1p4 0x_1p4
1_000 1__0 300y 292y 293y 99999999999999999999s 1ns 5M ms ٣ ١m""")
TIMES = words("""0 -1 1e3 1e400 1e-400 0.0004 0.0005 0.00049999 -0.0005 -0.0015 1.0005 0.5 .5 1.
. +5 --5
1435781430.781 1435781430.7815 9e9 -9e9 0x10 0x1p4 0x1.8p1 -0x1p4 0x_1p4 0x1_p4 1_000 1__0 _1 1_ ٣
1e e1 1d 2024-01-01T00:00:00Z 2024-01-01T00:00:00z 2024-01-01t00:00:00Z 2024-01-01T24:00:00Z
2024-01-01T23:59:60Z 2024-02-29T00:00:00Z 2023-02-29T00:00:00Z 2024-01-01T00:00:00
2024-01-01T00:00:00-00:00 2024-01-01T00:00:00+24:00 2024-01-01T00:00:00-24:60
2024-01-01T00:00:00+25:00 2024-01-01T00:00:00+23:61 2024-01-01T00:00:00+1:00 2024-01-01T00:00:00.Z
2024-01-01T00:00:00.1Z 2024-01-01T00:00:00,1Z 2024-01-01T00:00:00.1234567899Z 2024-1-1T00:00:00Z
10000-01-01T00:00:00Z -0001-01-01T00:00:00Z 1969-12-31T23:59:59.9999Z 1969-12-31T23:59:59.5Z
1969-12-31T23:59:59.1005Z 2024-01-01T1:00:00Z 2024-01-01T00:0:00Z 2024-13-01T00:00:00Z
2024-00-01T00:00:00Z 2024-01-00T00:00:00Z 2024-01-01T00:00:00Zx""")
LIMITS = words("""0 1 -1 -0 +1 01 x 1.0 1e3 0x1 1_0 9223372036854775807 9223372036854775808
-9223372036854775808 -9223372036854775809 ٣""")

STEPS: list[Request] = [
    ("query_range", {"query": "1", "start": "0", "end": end, "step": step})
    for step in [*DURATIONS, "", " ", "5m "]
    for end in ("0", "20")
]
LOOKBACKS: list[Request] = [
    ("query", {"query": "nothing", "time": "100", "lookback_delta": lookback})
    for lookback in [*DURATIONS, " ", "0.0001", "1e-9"]
]
MOMENTS: list[Request] = [
    *(("query", {"query": "time()", "time": t}) for t in [*TIMES, " ", " 1", "1 "]),
    *(
        ("query_range", {"query": "time()", "start": t, "end": "1", "step": "1000"})
        for t in TIMES[::2]
    ),
    *(
        ("query_range", {"query": "time()", "start": "0", "end": t, "step": "1e6"})
        for t in TIMES[1::2]
    ),
    *(("labels", {"start": t}) for t in TIMES[::3]),
    *(("series", {"match[]": "nothing", "end": t}) for t in TIMES[1::3]),
]
COUNTS: list[Request] = [
    (path, {"query": "vector(1)", "time": "1", "match[]": "nothing", "limit": limit})
    for limit in LIMITS
    for path in ("query", "labels", "series", "label/a/values")
]
# None of these is over before it began: both evaluate, or both can't read it.
TIMEOUTS: list[Request] = [
    ("query", {"query": "vector(1)", "time": "1", "timeout": timeout})
    for timeout in words("""1 1h 9e9 9.3e9 -9.3e9 1e30 1e400 Inf -Inf 1h1h 300y 292y 0x1p4 1_000 x
        1ns""")
]


@pytest.fixture
def settings() -> Settings:
    return Settings(flags={}, route_prefix="", enable_remote_write=True, max_samples=10_000)


@pytest.mark.peers
async def test_both_say_the_same(peers: Path, tmp_path: Path, settings: Settings) -> None:
    wrong = []
    with prometheus(peers, tmp_path, "global: {scrape_interval: 1h}\n") as real:
        async with client_of(make_context(settings, [])) as client:
            for path, params in STEPS + LOOKBACKS + MOMENTS + COUNTS + TIMEOUTS:
                theirs = real.get(f"/api/v1/{path}", params=params)
                ours = await client.get(f"/api/v1/{path}", params=params)
                if (ours.status_code, ours.text) != (theirs.status_code, theirs.text):
                    wrong.append(f"{path} {params}: {ours.text} instead of {theirs.text}")
    assert not wrong, "\n".join(wrong)


async def asked(settings: Settings, path: str, **params: str) -> httpx.Response:
    async with client_of(make_context(settings, [])) as client:
        return await client.get(f"/api/v1/{path}", params=params)


@pytest.mark.parametrize("step", ["1e-9", "0.0001", "0.0009"])
async def test_a_step_is_a_millisecond_at_least(settings: Settings, step: str) -> None:
    answer = await asked(settings, "query_range", query="1", start="0", end="0", step=step)
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        'invalid parameter "step": a step is a millisecond at least. Try 1ms'
    )


@pytest.mark.parametrize("least", ["0", "-0", "-1", "1e-9", "NaN", "0s", "-0.0001"])
async def test_no_time_at_all_is_a_timeout(settings: Settings, least: str) -> None:
    answer = await asked(settings, "query", query="vector(1)", timeout=least)
    assert answer.status_code == 503
    assert answer.json()["errorType"] == "timeout"


async def test_a_tenth_of_a_millisecond_is_no_zero(settings: Settings) -> None:
    answers = [
        await asked(settings, "query", query="1", time="1", timeout="0.0001") for _ in range(20)
    ]
    assert any(answer.status_code == 200 for answer in answers)


@pytest.mark.parametrize("time", ["NaN", "Inf", "-Inf", "1e15", "-1e300", "9223372036854775807"])
async def test_a_time_that_is_none_is_refused(settings: Settings, time: str) -> None:
    answer: Any = (await asked(settings, "query", query="1", time=time)).json()
    assert answer["errorType"] == "bad_data"
    assert f'cannot parse "{time}" to a valid timestamp' in answer["error"]
    answer = await asked(settings, "query_range", query="1", start=time, end=time, step="1")
    assert answer.status_code == 400


@pytest.mark.parametrize("time", ["253402300799", "-62135596800", "1e12"])
async def test_a_time_beyond_nanoseconds_stays_itself(settings: Settings, time: str) -> None:
    answer = await asked(settings, "query", query="time()", time=time)
    assert answer.json()["data"]["result"][0] == float(time)

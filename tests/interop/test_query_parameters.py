"""Odd times, durations and limits: the real Prometheus and promlab say the same.

Where they can't, docs/reference/http-api.md says why, and what promlab does is shown here.
"""

from __future__ import annotations

from pathlib import Path

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
# What 64 bits of nanoseconds don't hold is some other moment, the same one with both.
FAR = words("""Inf -Inf +Inf infinity NaN 1e10 -1e10 1e11 1e12 1.7e12 1e15 -1e15 1e18 9.2e18 9.3e18
1e19 -1e19 1e300 9223372036.854 9223372036.855 9223372037 -9223372037 9223372036854775807
253402300799 -62135596800 -62135596801 0000-01-01T00:00:00Z 0000-02-29T00:00:00+01:00
0001-01-01T00:00:00Z 1600-02-29T12:00:00Z 1677-09-21T00:12:43Z 2262-04-12T00:00:00Z
9999-12-31T23:59:59.999999Z -292273086-05-16T16:47:06Z 292277025-08-18T07:12:54.999999999Z""")
LIMITS = words("""0 1 -1 -0 +1 01 x 1.0 1e3 0x1 1_0 9223372036854775807 9223372036854775808
-9223372036854775808 -9223372036854775809 ٣""")

STEPS: list[Request] = [
    ("query_range", {"query": "1", "start": "0", "end": end, "step": step})
    for step in [*DURATIONS, "", " ", "5m ", "0.0001", "0.0009", "1e-9"]
    for end in ("0", "20")
]
NO_STEP: list[Request] = [
    ("query_range", {"query": query, "start": "1", "end": end, "step": "0.0001"})
    for query in ("1", "vector(1)", "nothing", '"a"', "nothing[5m]", "x{", "")
    for end in ("0", "1", "1.01", "3")
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
FAR_MOMENTS: list[Request] = [
    *(("query", {"query": "time()", "time": t}) for t in FAR),
    *(
        ("query_range", {"query": "time()", "step": step, "start": start, "end": end})
        for t in FAR
        for start, end, step in (
            (t, t, "1"), (t, "1", "1000"), ("1", t, "1000"), (t, "9223372036.9", "9.1e9"),
            ("-9223372036.9", t, "9.2e9"), ("9223372030", t, "0.5"),
        )
    ),
    *(("labels", {"start": t}) for t in FAR),
    *(("series", {"match[]": "nothing", "end": t}) for t in FAR),
    *(("query_exemplars", {"query": "nothing", name: t}) for t in FAR for name in ("start", "end")),
]  # fmt: skip
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
REQUESTS = STEPS + NO_STEP + LOOKBACKS + MOMENTS + FAR_MOMENTS + COUNTS + TIMEOUTS


@pytest.fixture
def settings() -> Settings:
    return Settings(flags={}, route_prefix="", enable_remote_write=True, max_samples=10_000)


@pytest.mark.peers
async def test_both_say_the_same(peers: Path, tmp_path: Path, settings: Settings) -> None:
    wrong = []
    with prometheus(peers, tmp_path, "global: {scrape_interval: 1h}\n") as real:
        async with client_of(make_context(settings, [])) as client:
            for path, params in REQUESTS:
                theirs = real.get(f"/api/v1/{path}", params=params)
                ours = await client.get(f"/api/v1/{path}", params=params)
                if (ours.status_code, ours.text) != (theirs.status_code, theirs.text):
                    wrong.append(f"{path} {params}: {ours.text} instead of {theirs.text}")
    assert not wrong, "\n".join(wrong)


async def asked(settings: Settings, path: str, **params: str) -> httpx.Response:
    async with client_of(make_context(settings, [])) as client:
        return await client.get(f"/api/v1/{path}", params=params)


async def test_what_a_step_is_at_least_is_a_hint(settings: Settings) -> None:
    answer = await asked(settings, "query_range", query="1", start="0", end="0", step="0.0009")
    assert answer.status_code == 422
    assert "a step is a millisecond at least" in answer.headers["x-promlab-hint"]


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

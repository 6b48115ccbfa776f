"""A hundred thousand silences: counted, listed, limited, forgotten, without holding others up."""

from __future__ import annotations

import asyncio
import random
import urllib.request
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from promlab.alertmanager.clock import SystemClock
from promlab.alertmanager.matchers import make
from promlab.alertmanager.silence import ACTIVE, EXPIRED, PENDING, Silence, SilenceNotFound
from promlab.alertmanager.silence_census import Census
from promlab.alertmanager.silence_changes import SilenceChanges
from promlab.alertmanager.silences import Silences, TooManySilences
from promlab.alertmanager.storage import Database, Memory
from promlab.errors import StorageError
from tests.alertmanager.alertmanager_process import alertmanager

CONFIG = "route: {receiver: a}\nreceivers: [{name: a}]\n"
HOUR_MS = 3_600_000
MANY = 100_000


class Hands:
    """A clock that is set by hand."""

    def __init__(self, t_ms: int = 0) -> None:
        self.t_ms = t_ms

    def now_ms(self) -> int:
        return self.t_ms


def silence(number: int, starts_ms: int, ends_ms: int) -> Silence:
    matcher = make("instance", "=", f"host-{number}")
    return Silence(f"s{number}", (matcher,), starts_ms, ends_ms, starts_ms, "me", "c")


def silences(clock: object, store: object = None, **limits: int) -> Silences:
    return Silences(store or Memory(), clock, retention_ms=100, **limits)  # type: ignore[arg-type]


def test_census_is_what_one_would_count() -> None:
    chance = random.Random(7)
    census = Census()
    plain: dict[int, Silence] = {}
    now_ms = 0
    for _ in range(3000):
        now_ms += chance.randrange(3)
        number = chance.randrange(60)
        if chance.random() < 0.2:
            census.remove(f"s{number}")
            plain.pop(number, None)
        else:
            starts_ms = now_ms + chance.randrange(-20, 40)
            made = silence(number, starts_ms, starts_ms + chance.randrange(60))
            census.add(made, now_ms)
            plain[number] = made
        census.advance(now_ms)
        wanted = Counter({ACTIVE: 0, PENDING: 0, EXPIRED: 0})
        wanted.update(each.state(now_ms) for each in plain.values())
        assert census.counts() == dict(wanted)
    old = census.ended_until(now_ms, 10_000)
    assert {s.id for s in old} == {s.id for s in plain.values() if s.ends_ms <= now_ms}
    assert census.ended_until(now_ms, 10_000) == []


def test_old_ones_are_forgotten_a_few_at_a_time() -> None:
    clock = Hands()
    found = silences(clock)
    for number in range(50):
        found.set(replace(silence(number, 0, 10 + number), id=""))
    clock.t_ms = 125
    assert found.counts() == {ACTIVE: 0, PENDING: 0, EXPIRED: 50}
    assert [found.collect(most=10) for _ in range(3)] == [10, 6, 0]
    assert len(found) == 34
    assert found.muting(1, {"instance": "host-49"}) == []


class FullDisk(Memory):
    """A store that takes nothing."""

    def put(self, records: Iterable[tuple[str, bytes]]) -> None:
        raise StorageError("the disk is full: make room")

    def delete(self, keys: Iterable[str]) -> None:
        raise StorageError("the disk is full: make room")


async def test_limit_holds_for_those_who_ask_together() -> None:
    found = silences(Hands(), max_silences=5)
    changes = SilenceChanges(found)
    asked = (changes.set(replace(silence(i, 0, HOUR_MS), id="")) for i in range(20))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, TooManySilences)]
    assert (len(found), len(refused)) == (5, 15)
    assert str(refused[0]) == "exceeded maximum number of silences: 5 (limit: 5)"


async def test_what_builds_on_another_change_waits_for_it() -> None:
    found = silences(Hands())
    changes = SilenceChanges(found)
    made = await changes.set(replace(silence(1, 0, HOUR_MS), id=""))
    longer = replace(silence(1, 0, 2 * HOUR_MS), id=made)
    other = replace(silence(2, 0, HOUR_MS), id=made)
    kept, moved, _, missing = await asyncio.gather(
        changes.set(longer), changes.set(other), changes.expire(made), changes.expire("none"),
        return_exceptions=True,
    )  # fmt: skip
    assert kept == made
    assert moved != made
    assert isinstance(missing, SilenceNotFound)
    assert found.get(made).state(0) == EXPIRED
    assert found.get(str(moved)).matchers == other.matchers


async def test_full_disk_is_told_to_everybody_and_nothing_is_in_force() -> None:
    found = silences(Hands(), FullDisk())
    changes = SilenceChanges(found)
    asked = (changes.set(replace(silence(i, 0, HOUR_MS), id="")) for i in range(3))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, StorageError) for answer in answers)
    assert len(found) == 0
    assert found.muting(1, {"instance": "host-1"}) == []


def test_what_could_not_be_forgotten_is_tried_again() -> None:
    clock, store = Hands(), Memory()
    store.put([(f"s{i}", silence(i, 0, 10).encode()) for i in range(3)])
    full = FullDisk()
    full.records = store.records
    found = silences(clock, full)
    clock.t_ms = 1000
    for _ in range(2):
        with pytest.raises(StorageError):
            found.collect()
    assert len(found) == 3


def test_a_hundred_thousand_in_a_server(tmp_path: Path) -> None:
    now_ms = SystemClock().now_ms()
    database = Database(tmp_path / "data" / "silences.db", durable=True)
    everything = (silence(i, now_ms - 1, now_ms + HOUR_MS) for i in range(MANY))
    database.put((each.id, each.encode()) for each in everything)
    database.close()
    with alertmanager(tmp_path, CONFIG, f"--silences.max-silences={MANY}") as am:
        with urllib.request.urlopen(f"{am.url}/api/v2/silences") as answer:
            listed = msgspec.json.decode(answer.read())
        assert len({each["id"] for each in listed}) == MANY
        [one] = am.get("/api/v2/silences?filter=instance%3D%22host-77%22")
        assert one["id"] == "s77"
        with urllib.request.urlopen(f"{am.url}/metrics") as answer:
            assert f'alertmanager_silences{{state="active"}} {MANY}\n' in answer.read().decode()
        am.post_alerts({"labels": {"alertname": "a", "instance": "host-77"}})
        [alert] = am.get("/api/v2/alerts")
        assert alert["status"]["silencedBy"] == ["s77"]
        body = {
            "matchers": [{"name": "a", "value": "b", "isRegex": False}],
            "startsAt": "2020-01-01T00:00:00Z",
            "endsAt": "2100-01-01T00:00:00Z",
            "createdBy": "me",
            "comment": "",
        }
        status, said = am.call("POST", "/api/v2/silences", body)
        assert status == 400
        assert f"exceeded maximum number of silences: {MANY}" in str(said)

"""The head's rules, one by one."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_head_model import kill
from tsdb_model import ALWAYS, as_dict, everything, key_of, match, table

from promlab.errors import StorageError, TooManySamples
from promlab.model.samples import STALE_BITS, stale_values
from promlab.model.storage import AppendOutcome, SelectHints
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions

OPTIONS = HeadOptions(sync="never")


@pytest.fixture
def head(tmp_path: Path):
    opened = Head.open(tmp_path, options=OPTIONS)
    yield opened
    opened.close()


def rows(n: int, **labels: str) -> list[dict[str, str]]:
    return [{"__name__": f"m{i}", **labels} for i in range(n)]


def test_rules_of_a_series(head: Head) -> None:
    group = head.open_group({})
    slots = group.slots(table(head, rows(3)))
    one = np.ones(3)
    hour = 3_600_000
    assert group.append(10 * hour, slots, one) == AppendOutcome(appended=3)
    assert group.append(10 * hour, slots, one) == AppendOutcome()
    assert group.append(10 * hour, slots, 2 * one) == AppendOutcome(duplicate=3)
    assert group.append(10 * hour - 1, slots, one) == AppendOutcome(out_of_order=3)
    assert group.append(9 * hour - 1, slots, one) == AppendOutcome(too_old=3)
    refs = head.refs(table(head, [*rows(1), {"__name__": "new"}]))
    times = np.full(2, 10 * hour - 5)
    assert head.append_loose(refs, times, one[:2]) == AppendOutcome(appended=1, out_of_order=1)
    assert head.append_loose(refs, times * 0, one[:2]) == AppendOutcome(too_old=2)


def test_epoch_zero_into_an_empty_head(head: Head, tmp_path: Path) -> None:
    refs = head.refs(table(head, rows(1)))
    assert head.append_loose(refs, np.zeros(1, np.int64), np.ones(1)).appended == 1
    head.commit()
    with open_reader(tmp_path) as reader:
        assert everything(reader) == {key_of(rows(1)[0]): [(0, 0x3FF0000000000000)]}
        assert reader.time_range() == (0, 0)


def test_a_row_is_seen_from_its_commit_on(head: Head, tmp_path: Path) -> None:
    group = head.open_group({})
    slots = group.slots(table(head, rows(1)))
    group.append(1000, slots, np.ones(1))
    head.commit()
    with open_reader(tmp_path) as reader:
        group.append(2000, slots, np.ones(1))
        assert [t for t, _ in everything(reader)[key_of(rows(1)[0])]] == [1000]
        head.commit()
        assert [t for t, _ in everything(reader)[key_of(rows(1)[0])]] == [1000, 2000]


def test_slots_follow_lines_and_equal_label_sets_share_one(head: Head) -> None:
    group = head.open_group({})
    assert group.slots(table(head, rows(3))).tolist() == [0, 1, 2]
    mixed = [{"__name__": "z"}, *rows(2), {"__name__": "y"}, {"__name__": "z", "empty": ""}]
    assert group.slots(table(head, mixed)).tolist() == [3, 0, 1, 4, 3]


def test_second_append_at_the_same_time_joins_the_row(head: Head, tmp_path: Path) -> None:
    group = head.open_group({})
    slots = group.slots(table(head, rows(4)))
    group.append(1000, slots[:2], np.array([1.0, 2.0]))
    group.append(1000, slots[2:], np.array([3.0, 4.0]))
    head.commit()
    with open_reader(tmp_path) as reader:
        batch = reader.select([], *ALWAYS)
        assert batch.values.tolist() == [1.0, 2.0, 3.0, 4.0]
        assert len(set(batch.times_at.tolist())) == 1


def test_series_of_a_target_share_times_and_holes_are_left_out(head: Head, tmp_path: Path) -> None:
    group = head.open_group({})
    slots = group.slots(table(head, rows(5)))
    for step in range(200):
        some = slots if step % 3 else slots[1:]
        group.append(1000 * step, some, np.arange(5.0)[-len(some) :] + step)
    head.commit()
    with open_reader(tmp_path) as reader:
        batch = reader.select([], *ALWAYS)
        assert len(set(batch.times_at.tolist())) == 2
        assert np.diff(batch.offsets).tolist() == [133, 200, 200, 200, 200]
        assert batch.series(0)[0].tolist() == [1000 * s for s in range(200) if s % 3]


def test_staleness_marker_stays_bit_exact(head: Head, tmp_path: Path) -> None:
    group = head.open_group({})
    slots = group.slots(table(head, rows(2)))
    group.append(1000, slots, np.array([np.nan, 1.0]))
    group.append(2000, slots, stale_values(2))
    head.commit()
    with open_reader(tmp_path) as reader:
        found = as_dict(reader.select([match("__name__", "m1")], *ALWAYS))
        assert found[key_of(rows(2)[1])][1] == (2000, STALE_BITS)
        frame = reader.frame([match("__name__", "m1")], *ALWAYS)
        assert frame["value"].to_list() == [1.0]
        assert frame.schema["timestamp"] == pl.Datetime("ms", "UTC")


def test_matchers(head: Head, tmp_path: Path) -> None:
    sets = [{"__name__": "up", "job": job, "n": str(n)} for job in ("a", "b") for n in range(50)]
    sets.append({"__name__": "other"})
    refs = head.refs(table(head, sets))
    head.append_loose(refs, np.full(len(refs), 5), np.arange(len(refs), dtype=float))
    head.commit()
    table_of_cases = [
        ([match("__name__", "up")], 100),
        ([match("__name__", "up"), match("job", "a")], 50),
        ([match("__name__", "up"), match("job", "a", "!=")], 50),
        ([match("job", "")], 1),
        ([match("job", "", "!=")], 100),
        ([match("job", "a|b", "=~"), match("n", "1.", "=~")], 20),
        ([match("n", "1.", "!~")], 81),
        ([match("nothing", "")], 101),
        ([match("nothing", "x")], 0),
        ([match("job", "nope")], 0),
    ]
    with open_reader(tmp_path) as reader:
        for matchers, n in table_of_cases:
            assert reader.select(matchers, *ALWAYS).n == n, matchers
            assert reader.series(matchers, *ALWAYS).n == n, matchers
        assert reader.label_names([], *ALWAYS) == ["__name__", "job", "n"]
        assert reader.label_values("job", [], *ALWAYS) == ["a", "b"]
        assert reader.label_values("n", [match("n", "4.", "=~")], *ALWAYS)[:2] == ["40", "41"]
        assert reader.series([], 6, 10).n == 0
        assert reader.select([], 6, 10).n == 0


def test_selection_grows_with_new_series(head: Head, tmp_path: Path) -> None:
    with open_reader(tmp_path) as reader:
        generation = -1
        for n in (1, 7, 5000, 9000):
            refs = head.refs(table(head, rows(n, job="a")))
            head.append_loose(refs[-1:], np.array([n]), np.ones(1))
            head.commit()
            assert reader.generation > generation
            generation = reader.generation
            assert reader.series([match("job", "a")], *ALWAYS).n <= n
            assert reader.select([match("__name__", f"m{n - 1}")], *ALWAYS).n == 1
            assert reader.select([match("__name__", "m.*", "=~")], n, n).n == 1


def test_limits(head: Head, tmp_path: Path) -> None:
    refs = head.refs(table(head, rows(10)))
    head.append_loose(refs, np.full(10, 5), np.ones(10))
    head.commit()
    with open_reader(tmp_path) as reader:
        assert reader.select([], 0, 9, SelectHints(max_samples=10)).sample_count == 10
        with pytest.raises(TooManySamples):
            reader.select([], 0, 9, SelectHints(max_samples=9))
    with pytest.raises(StorageError, match="never gave"):
        head.append_loose(np.array([99], np.uint64), np.array([6]), np.ones(1))
    with pytest.raises(StorageError, match="closed"):
        reader.select([], 0, 9)


def test_closed_group_goes_on_with_its_slots(head: Head) -> None:
    group = head.open_group({"instance": "a"})
    group.slots(table(head, rows(3)))
    number = group.number
    group.close()
    with pytest.raises(StorageError, match="closed"):
        group.slots(table(head, rows(3)))
    assert head.open_group({"instance": "b"}).number != number
    again = head.open_group({"instance": "a"})
    assert again.number == number
    assert again.slots(table(head, rows(4))).tolist() == [0, 1, 2, 3]


def test_many_samples_of_many_series_in_one_request(head: Head, tmp_path: Path) -> None:
    refs = head.refs(table(head, rows(200)))
    t_ms = 15_000 * np.arange(1_440)
    values = np.cumsum(np.ones((200, 1_440)), axis=1) * np.arange(1, 201)[:, None]
    got = head.append_loose(np.repeat(refs, 1_440), np.tile(t_ms, 200), values.reshape(-1))
    assert got == AppendOutcome(appended=200 * 1_440)
    head.commit()
    with open_reader(tmp_path) as reader:
        batch = reader.select([], *ALWAYS)
        assert (batch.values.reshape(200, 1_440) == values).all()
        assert all((batch.series(row)[0] == t_ms).all() for row in range(200))
        assert len(batch.t_ms) < 20 * 1_440  # equal times are decoded and held once


def test_retention_drops_whole_files(tmp_path: Path) -> None:
    now = [0.0]
    options = dataclasses.replace(
        OPTIONS, retention_s=1_000.0, chunk_file_s=200.0, window_s=1e9, clock=lambda: now[0]
    )
    head = Head.open(tmp_path, options=options)
    group = head.open_group({})
    slots = group.slots(table(head, rows(3)))
    with open_reader(tmp_path) as reader:
        for step in range(2_500):
            now[0] = float(step)
            group.append(1000 * step, slots, np.arange(3.0) + step)
            head.commit()
        t_ms = reader.select([match("__name__", "m0")], *ALWAYS).t_ms
        assert t_ms[-1] == 2_499_000
        assert 1_000_000 < t_ms[0] <= 1_499_000
        assert (np.diff(t_ms) == 1000).all()
    assert len(list((tmp_path / "chunks").glob("*.index"))) < 20
    head.close()
    Head.open(tmp_path, options=options).close()


def test_what_nobody_asks_for_goes_before_its_time(tmp_path: Path) -> None:
    now = [0.0]
    options = dataclasses.replace(
        OPTIONS, retention_s=1e6, chunk_file_s=200.0, window_s=1e9, clock=lambda: now[0]
    )
    head = Head.open(tmp_path, options=options)
    group = head.open_group({})
    slots = group.slots(table(head, rows(3)))
    with open_reader(tmp_path) as reader:
        for step in range(2_500):
            now[0] = float(step)
            group.append(1000 * step, slots, np.arange(3.0) + step)
            head.commit()
            if step == 2_000:
                assert not head.drops_s.count
                head.forget_before(1_500_000)
        t_ms = reader.select([match("__name__", "m0")], *ALWAYS).t_ms
        assert 1_000_000 < t_ms[0] <= 1_500_000  # whole files go
        assert (np.diff(t_ms) == 1000).all()
    assert head.drops_s.count == 1
    head.close()


def test_wal_stays_small_and_nothing_is_lost(tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, segment_bytes=20_000, wal_bytes=60_000, window_s=1e9)
    head = Head.open(tmp_path, options=options)
    idle = head.open_group({"instance": "idle"})
    idle.append(0, idle.slots(table(head, rows(5, instance="idle"))), np.ones(5))
    refs = head.refs(table(head, rows(2, instance="rare")))
    head.append_loose(refs, np.zeros(2, np.int64), np.ones(2))
    group = head.open_group({"instance": "busy"})
    slots = group.slots(table(head, rows(50, instance="busy")))
    dice = np.random.default_rng(1)
    for step in range(1, 2_000):
        group.append(1000 * step, slots, dice.random(50))
        head.commit()
        assert head.stats().wal_bytes < 200_000
    assert head.wal.oldest > 1
    with open_reader(tmp_path) as reader:
        before = everything(reader)
    kill(head)
    again = Head.open(tmp_path, options=options)
    with open_reader(tmp_path) as reader:
        assert everything(reader) == before
        assert len(before) == 57
    again.close()


@pytest.mark.parametrize("sync", ["always", "interval"])
def test_sync_policies_sync(tmp_path: Path, sync: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(fd) or real(fd))
    options = HeadOptions(sync=sync, sync_interval_s=0.0)
    head = Head.open(tmp_path, options=options)
    refs = head.refs(table(head, rows(2)))
    head.append_loose(refs, np.array([1, 1]), np.ones(2))
    synced.clear()
    head.commit()
    head._keeper.finish()
    assert len(synced) == 2  # series log and WAL
    head.commit()
    head._keeper.finish()
    assert len(synced) == 2
    head.close()


def test_readers_in_threads_beside_the_writer(tmp_path: Path) -> None:
    head = Head.open(tmp_path, options=HeadOptions(sync="never", window_s=1e9))
    group = head.open_group({})
    slots = group.slots(table(head, rows(20)))
    refs = head.refs(table(head, rows(20, loose="1")))
    stop, wrong = threading.Event(), []
    seen = [0, 0]
    reader = open_reader(tmp_path)

    def look(me: int) -> None:
        while not stop.is_set():
            batch = reader.select([], *ALWAYS)
            for i in range(batch.n):
                t_ms, values = batch.series(i)
                whole = (t_ms == 1000 * np.arange(1, len(t_ms) + 1)).all()
                if not whole or not (values == t_ms / 1000).all():
                    wrong.append((i, len(t_ms)))
            seen[me] += 1

    threads = [threading.Thread(target=look, args=(me,)) for me in range(2)]
    for thread in threads:
        thread.start()
    step = 0
    while min(seen) < 40:
        step += 1
        group.append(1000 * step, slots, np.full(20, float(step)))
        head.append_loose(refs, np.full(20, 1000 * step), np.full(20, float(step)))
        head.commit()
    stop.set()
    for thread in threads:
        thread.join()
    head.close()
    assert not wrong


def test_the_newest_sample_alone(head: Head, tmp_path: Path) -> None:
    refs = head.refs(table(head, rows(3)))
    for t in range(100):  # more than a ring holds: some are in chunks
        head.append_loose(refs[: 3 if t < 97 else 2], *loose_row(t, 3 if t < 97 else 2))
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, [{"__name__": "g", "n": str(n)} for n in range(2)]))
    group.append(1_000, slots, np.array([1.0, 2.0]))
    group.append(2_000, slots[:1], np.array([3.0]))
    head.commit()
    with open_reader(tmp_path) as reader:
        for end in (99_000, 98_000, 30_000, 0):
            everything = reader.select([], -10_000, end)
            newest = reader.select([], -10_000, end, SelectHints(newest=True))
            assert newest.n == everything.n
            for row in range(newest.n):
                (times, values), (all_times, all_values) = (
                    newest.series(row),
                    everything.series(row),
                )
                assert (times[-1], values[-1]) == (all_times[-1], all_values[-1])


def loose_row(t: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(n, t * 1_000), np.arange(n) + t * 10.0


def test_big_selections_are_decoded_in_two_parts(head: Head, tmp_path: Path) -> None:
    n, steps = 400, 1_000
    refs = head.refs(table(head, rows(n)))
    t_ms = 15_000 * np.arange(steps)
    values = np.arange(n * steps, dtype=np.float64).reshape(n, steps)
    got = head.append_loose(np.repeat(refs, steps), np.tile(t_ms, n), values.reshape(-1))
    assert got.appended == n * steps
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, [{"__name__": "g", "n": str(k)} for k in range(300)]))
    for t in range(200):  # every third has a hole at each third scrape
        there = slots[np.arange(300) % 3 != t % 3]
        group.append(15_000 * t, there, np.full(len(there), float(t)))
    head.commit()
    with open_reader(tmp_path) as reader:
        batch = reader.select([], *ALWAYS)
        assert (np.diff(batch.offsets) > 0).all()
        for row in range(batch.n):
            labels, (times, found) = batch.labels.row(row), batch.series(row)
            if labels["__name__"] == "g":
                expected = [t for t in range(200) if int(labels["n"]) % 3 != t % 3]
                assert found.tolist() == expected
                assert times.tolist() == [15_000 * t for t in expected]
            else:
                assert (times == t_ms).all()
                assert (np.diff(found) == 1).all()
                assert found[0] % steps == 0


def test_labels_of_what_has_samples_in_a_range(head: Head, tmp_path: Path) -> None:
    refs = head.refs(table(head, [{"__name__": "old", "a": "x"}, {"__name__": "new", "a": "y"}]))
    for t in range(150):  # into chunks
        head.append_loose(refs[:1], np.array([t * 1_000]), np.ones(1))
    head.append_loose(refs[1:], np.array([600_000]), np.ones(1))
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, [{"__name__": "scraped", "a": "x", "b": "z"}]))
    group.append(900_000, slots, np.ones(1))
    head.commit()
    with open_reader(tmp_path) as reader:
        for start, end, names in (
            (-(2**50), 2**50, ["new", "old", "scraped"]),
            (0, 60_000, ["old"]),
            (149_000, 600_000, ["new", "old"]),
            (149_001, 599_999, []),
            (600_001, 900_000, ["scraped"]),
            (900_001, 2**50, []),
        ):
            assert reader.label_values("__name__", [], start, end) == names
            found = {row["__name__"] for row in reader.series([], start, end).rows()}
            assert sorted(found) == names
        assert reader.label_values("a", [], 0, 700_000) == ["x", "y"]
        assert reader.label_values("a", [], 850_000, 950_000) == ["x"]
        assert reader.label_values("a", [], 150_000, 550_000) == []
        assert reader.label_values("b", [], 0, 700_000) == []
        assert reader.label_names([], 0, 700_000) == ["__name__", "a"]

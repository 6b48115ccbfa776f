"""Write-ahead log and series log, damaged at every structural place: what is before is there, what
is written afterwards too, and nothing is there that was never written.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_head_damage import OPTIONS, ROWS
from test_head_model import kill
from tsdb_model import Key, bits_of, everything, key_of, table

from promlab.tsdb import series_log, wal
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader

SMALL = replace(OPTIONS, segment_bytes=700)
STEPS = 50  # fewer than are sealed: all of them are in the log alone
Damage = Callable[[bytearray], None]
Stored = dict[Key, list[tuple[int, int]]]


def flip(at: int) -> Damage:
    def damage(data: bytearray) -> None:
        data[at] ^= 0x41

    return damage


def cut(at: int) -> Damage:
    def damage(data: bytearray) -> None:
        del data[at:]

    return damage


def damages(start: int, body: int, end: int) -> Iterator[tuple[str, Damage]]:
    """Every field of a record's header, its content at both ends and between; it is cut short
    everywhere, but for its very beginning, where nothing is missing.
    """
    for at in (*range(start, body, 2), body, (body + end) // 2, end - 1):
        yield f"flip {at - start}", flip(at)
    for at in (start + 1, body - 1, body, body + 1, end - 1):
        yield f"cut {at - start}", cut(at)


def read(path: Path) -> Stored:
    with open_reader(path) as reader:
        return everything(reader)


def write_rows(head: Head, steps: range) -> None:
    """A row of all series a step, each in a frame of its own; series i at step n is i + n."""
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, ROWS))
    for step in steps:
        group.append(1000 * step, slots, np.arange(10.0) + step)
        head.commit()


def rows_of(steps: set[int]) -> Stored:
    return {
        key_of(labels): [(1000 * step, bits_of(float(i + step))) for step in sorted(steps)]
        for i, labels in enumerate(ROWS)
    }


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logged") / "data"
    head = Head.open(path, options=SMALL)
    write_rows(head, range(STEPS))
    kill(head)
    return path


def frames_of(segment: Path) -> list[tuple[int, int]]:
    """Where each frame begins and ends."""
    with segment.open("rb") as file:
        ends = [end for _, end in wal.whole_frames(file)]
    return list(zip([0, *ends], ends, strict=False))


def test_every_place_of_the_wal(logged: Path, tmp_path: Path) -> None:
    segments = [path for path in wal.segments(logged / "wal") if path.stat().st_size]
    assert len(segments) > 3
    first_step = 0
    for number, segment in enumerate(segments):
        frames = frames_of(segment)
        if number in (0, 2, len(segments) - 1):
            for frame in {0, len(frames) // 2, len(frames) - 1}:
                start, end = frames[frame]
                lost = set(range(first_step + frame, first_step + len(frames)))
                for how, damage in damages(start, start + wal.HEADER.size, end):
                    path = damaged_copy(logged, tmp_path, f"wal/{segment.name}", damage)
                    check_rows(path, set(range(STEPS)) - lost, f"{segment.name}.{frame}: {how}")
        first_step += len(frames)
    assert first_step == STEPS


def damaged_copy(data: Path, folder: Path, file: str, damage: Damage) -> Path:
    path = folder / "copy"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(data, path)
    content = bytearray((path / file).read_bytes())
    damage(content)
    (path / file).write_bytes(content)
    return path


def check_rows(path: Path, steps: set[int], what: str) -> None:
    """These steps are there; one more can be written, and is there after another kill."""
    head = Head.open(path, options=SMALL)
    assert head.wal_corruptions == 1, what
    assert read(path) == rows_of(steps), what
    write_rows(head, range(STEPS, STEPS + 1))
    kill(head)
    head = Head.open(path, options=SMALL)
    assert head.wal_corruptions == 0, what
    assert read(path) == rows_of(steps | {STEPS}), what
    head.close()


# --- the series log -----------------------------------------------------------------------


def write_series(head: Head, names: list[str], t_ms: int) -> None:
    """Series of a target and loose ones, each with its name's number as its value."""
    for name in names:
        rows = [{"__name__": f"{name}{i}", "kind": kind} for kind in "xy" for i in range(3)]
        values = np.array([float(sum(map(ord, name)) * 10 + i) for i in range(3)])
        group = head.open_group({"target": name})
        group.append(t_ms, group.slots(table(head, rows[:3])), values)
        head.append_loose(head.refs(table(head, rows[3:])), np.full(3, t_ms), values)
        head.commit()


def allowed(names: list[str], times: list[int]) -> Stored:
    return {
        key_of({"__name__": f"{name}{i}", "kind": kind}): [
            (t_ms, bits_of(float(sum(map(ord, name)) * 10 + i))) for t_ms in times
        ]
        for name in names
        for kind in "xy"
        for i in range(3)
    }


def records_of(log: Path) -> list[tuple[int, int]]:
    """Where each record begins and ends."""
    data = log.read_bytes()
    ends = [record.end for record in series_log._records(data, log, 0)]
    return list(zip([0, *ends], ends, strict=False))


@pytest.mark.parametrize("where", ["log", "chunks", "closed chunks"])
def test_every_place_of_the_series_log(tmp_path: Path, where: str) -> None:
    """What is lost is lost: its numbers, given again, must not find samples of before."""
    names, others = ["a", "b", "c", "d"], ["p", "q", "r", "s"]
    data = tmp_path / "data"
    head = Head.open(data, options=SMALL)
    for t_ms in (1_000, 2_000):
        write_series(head, names, t_ms)
    if where != "log":
        head._keeper.settle()
    if where == "closed chunks":
        head.end_files()
    kill(head)
    log = data / "head" / "series"
    whole, more = allowed(names, [1_000, 2_000]), allowed(others, [3_000])
    records = records_of(log)
    for start, end in records[:: max(1, len(records) // 8)]:
        for how, damage in list(damages(start, start + 16, end))[::3]:
            path = damaged_copy(data, tmp_path, "head/series", damage)
            head = Head.open(path, options=SMALL)
            assert head.wal_corruptions >= 1, how
            write_series(head, others, 3_000)
            found = read(path)
            assert all(found[key] == samples for key, samples in more.items()), how
            kill(head)
            head = Head.open(path, options=SMALL)
            found = read(path)
            assert all(found[key] == samples for key, samples in more.items()), (start, how)
            for key, samples in found.items():
                assert set(samples) <= set({**whole, **more}[key]), (start, how)
            head.close()

"""Flipped bits in every file of a head: what is read was written, and what is missing is told.

Rows, groups and rings are the writer's memory and have no checksum, nor has the control page
before its writer has closed it: they are made anew when it starts. PROMLAB_FLIPS says how many
places of a file are tried.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_histograms import histogram, plain, stack
from test_head_damage import OPTIONS, ROWS
from test_head_model import kill
from tsdb_model import ALWAYS, Key, key_of, last_of, match, newest, table

from promlab.errors import StorageError
from promlab.model.histograms import HistogramColumn
from promlab.model.samples import SeriesBatch
from promlab.model.storage import ExemplarBatch, SampleExtras
from promlab.tsdb import control
from promlab.tsdb.data import DataReader
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader

PLACES = int(os.environ.get("PROMLAB_FLIPS", "2"))
SMALL = replace(
    OPTIONS,
    segment_bytes=3_000,
    wal_bytes=12_000,
    chunk_file_bytes=5_000,
    late_window_s=300.0,
    max_exemplars=100,
)
STEPS = 400
MEMORY = ("rows", "groups", "loose")
Stored = dict[Key, dict[int, Any]]


def write(head: Head) -> None:
    """Rows of a target, loose samples, some of them late, histograms, start times, exemplars."""
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, ROWS))
    loose = head.refs(table(head, [{"__name__": "loose", "n": str(i)} for i in range(3)]))
    made = head.refs(table(head, [{"__name__": "made"}]))
    for step in range(STEPS):
        t_ms = 1000 * step
        group.append(t_ms, slots, np.arange(10.0) * 1.1 + step)
        started = SampleExtras(start_ms=np.full(3, t_ms // 100_000 * 100_000 + 1))
        head.append_loose(loose, np.full(3, t_ms), np.arange(3.0) / 3 + step, started)
        if step % 3 == 0:
            head.append_loose(loose[:1], np.array([t_ms - 500]), np.array([float(step)]))
            table_ = stack([histogram(positive={step % 5: step + 1}, zero_count=step)])
            column = SampleExtras(HistogramColumn(table_, np.zeros(1, np.int64)))
            head.append_loose(made, np.array([t_ms]), np.zeros(1), column)
        if step % 10 == 0:
            traces = table(head, [{"trace_id": f"t{step}"}])
            batch = ExemplarBatch(loose[:1], np.array([t_ms]), np.array([1.0]), traces)
            head.append_exemplars(batch)
        head.commit()


def read_control(path: Path) -> Any:
    page = control.read(path)
    assert page is not None
    return page


def samples_of(batch: SeriesBatch) -> Stored:
    found: Stored = {}
    for i, labels in enumerate(batch.labels.rows()):
        at = slice(int(batch.offsets[i]), int(batch.offsets[i + 1]))
        t_ms, values = batch.series(i)
        read: list[Any] = values.view(np.int64).tolist()
        if batch.histograms is not None:
            table_ = batch.histograms.table
            rows = batch.histograms.index[at].tolist()
            read = [plain(table_, r) if r >= 0 else v for r, v in zip(rows, read, strict=True)]
        starts = batch.start_ms[at].tolist() if batch.start_ms is not None else [0] * len(read)
        found[key_of(labels)] = dict(
            zip(t_ms.tolist(), zip(read, starts, strict=True), strict=True)
        )
    return found


def read(path: Path) -> Stored:
    """All samples, the same in one batch and a few series at a time."""
    with open_reader(path) as reader:
        found = samples_of(reader.select([], *ALWAYS))
        few: Stored = {}
        for name in {dict(key)["__name__"] for key in found}:
            few |= samples_of(reader.select([match("__name__", name)], *ALWAYS))
        assert few == found
        _check_newest(reader, found)
        return found


def _check_newest(reader: DataReader, found: Stored) -> None:
    floats = {
        key: [(t, value) for t, (value, _) in samples.items()]
        for key, samples in found.items()
        if ("__name__", "made") not in key
    }
    read_as = newest(reader, [match("__name__", "made", "!=")], *ALWAYS)
    assert {k: [(t, _signed(v)) for t, v in s] for k, s in read_as.items()} == last_of(floats)


def _signed(bits: int) -> int:
    return bits - (1 << 64) if bits >> 63 else bits


@pytest.fixture(scope="module", params=["killed", "closed"])
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Stored, set[str]]:
    """A directory, what it holds, and the exemplars in it."""
    path = tmp_path_factory.mktemp("flips") / "data"
    head = Head.open(path, options=SMALL)
    write(head)
    kill(head) if request.param == "killed" else head.close()
    truth = read(path)
    assert sum(map(len, truth.values())) == 13 * STEPS + 2 * -(-STEPS // 3)
    assert len(list((path / "chunks").glob("*.index"))) > 2
    return path, truth, exemplars(path)


def exemplars(path: Path) -> set[str]:
    with open_reader(path) as reader:
        found = reader.exemplars([[match("__name__", "loose")]], *ALWAYS)
        return {each[0]["trace_id"] for one in found for each in one.exemplars}


def places(path: Path, dice: random.Random) -> Iterator[tuple[int, int]]:
    """Bytes of a file, most of them among those that were written, and a bit of each."""
    content = path.read_bytes()
    used = len(content.rstrip(b"\0"))
    tried = {dice.randrange(used) for _ in range(PLACES)} if used else set()
    if path.name == "control":
        tried |= {8 * number + 1 for number in range(12)}
    for at in sorted(tried | ({used - 1} if used else set())):
        yield at, 1 << dice.randrange(8)


def files_of(path: Path) -> list[str]:
    names = [each.relative_to(path) for each in sorted(path.rglob("*")) if each.is_file()]
    return [str(name) for name in names if name.name != "lock"]


def check(got: Stored, truth: Stored, told: bool, what: str) -> None:
    for key, samples in got.items():
        for t_ms, (value, start_ms) in samples.items():
            # Start times are samples of their own: one that is lost is unknown.
            its_value, its_start = truth[key][t_ms]
            assert value == its_value, f"{what}: {key} at {t_ms}"
            assert start_ms in (its_start, 0), f"{what}: start of {key} at {t_ms}"
    assert got == truth or told, f"{what}: something is missing, and nobody was told"


def test_no_flip_gives_a_wrong_value(
    written: tuple[Path, Stored, set[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, truth, traces = written
    dice = random.Random(7)
    closed = bool(read_control(data)[control.CLEAN])
    caplog.set_level(logging.WARNING)
    for name in files_of(data):
        for at, bit in places(data / name, dice):
            path = tmp_path / "copy"
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(data, path)
            content = bytearray((path / name).read_bytes())
            content[at] ^= bit
            (path / name).write_bytes(content)
            what = f"{name}, byte {at}, bit {bit}"
            caplog.clear()
            if Path(name).stem not in MEMORY and (name != "head/control" or closed):
                try:
                    got = read(path)
                except StorageError:
                    pass  # it says so
                else:
                    check(got, truth, bool(caplog.records), f"read, {what}")
            caplog.clear()
            head = Head.open(path, options=SMALL)
            try:
                check(read(path), truth, bool(caplog.records), f"opened, {what}")
                found = exemplars(path)
                assert found <= traces, what
                assert found == traces or caplog.records, what
            finally:
                kill(head)

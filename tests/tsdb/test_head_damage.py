"""Damage on disk, two owners, full and read-only disks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_head_model import kill
from tsdb_model import ALWAYS, everything, key_of, match, table

from promlab.errors import DirectoryLocked, StorageError
from promlab.tsdb import control, files
from promlab.tsdb.head import Head
from promlab.tsdb.open import open as open_reader
from promlab.tsdb.options import HeadOptions

ROWS = [{"__name__": f"m{i}", "instance": "a"} for i in range(10)]
OPTIONS = HeadOptions(sync="never", window_s=1e9)


def fill(path: Path, steps: int, *, commit_every: int = 1, loose: bool = True) -> Head:
    """A head with `steps` rows of 10 slots and loose samples; series i at step n is i + n."""
    head = Head.open(path, options=OPTIONS)
    group = head.open_group({"instance": "a"})
    slots = group.slots(table(head, ROWS))
    refs = head.refs(table(head, [{"__name__": "loose", "n": str(i)} for i in range(3)]))
    for step in range(steps):
        group.append(1000 * step, slots, np.arange(10.0) + step)
        if loose:
            head.append_loose(refs, np.full(3, 1000 * step), np.arange(3.0) + step)
        if step % commit_every == 0:
            head.commit()
    head.commit()
    return head


def steps_seen(path: Path) -> set[int]:
    """Steps of which all ten series are there, with the right values."""
    with open_reader(path) as reader:
        batch = reader.select([match("instance", "a")], *ALWAYS)
        found = []
        for i, labels in enumerate(batch.labels.rows()):
            t_ms, values = batch.series(i)
            assert (values == t_ms / 1000 + int(labels["__name__"][1:])).all()
            found.append(set((t_ms // 1000).tolist()))
        return set.intersection(*found) if len(found) == 10 else set()


@pytest.mark.parametrize("where", [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("how", ["flip", "zero", "cut", "append"])
def test_damaged_wal_keeps_what_is_before(tmp_path: Path, where: float, how: str) -> None:
    kill(fill(tmp_path, 40))
    segment = tmp_path / "wal" / "00000001"
    data = bytearray(segment.read_bytes())
    size, at = len(data), int(len(data) * where)
    if how == "flip":
        data[at] ^= 0x55
    elif how == "zero":
        data[at : at + 100] = bytes(len(data[at : at + 100]))
    elif how == "cut":
        del data[at:]
    else:
        data += b"\x17" * 5
        at = len(data) - 5
    segment.write_bytes(data)
    head = Head.open(tmp_path, options=OPTIONS)
    try:
        seen = steps_seen(tmp_path)
        assert seen == set(range(len(seen)))
        assert len(seen) >= int(40 * at / size) - 3
        on_border = how == "cut" and where == 0.0
        assert head.stats().wal_corruptions == (0 if on_border else 1)
        group = head.open_group({"instance": "a"})
        group.append(50_000, group.slots(table(head, ROWS)), np.arange(10.0) + 50)
        head.commit()
        assert steps_seen(tmp_path) == seen | {50}
    finally:
        head.close()
    again = Head.open(tmp_path, options=OPTIONS)
    assert again.stats().wal_corruptions == 0
    assert steps_seen(tmp_path) == seen | {50}
    again.close()


@pytest.mark.parametrize("where", [0.0, 0.3, 0.99])
def test_damaged_series_log_is_cut(tmp_path: Path, where: float) -> None:
    kill(fill(tmp_path, 5))
    log = tmp_path / "head" / "series"
    data = bytearray(log.read_bytes())
    data[int(len(data) * where)] ^= 1
    log.write_bytes(data)
    head = Head.open(tmp_path, options=OPTIONS)
    assert head.stats().wal_corruptions >= 1
    group = head.open_group({"instance": "a"})
    group.append(50_000, group.slots(table(head, ROWS)), np.arange(10.0) + 50)
    head.commit()
    assert 50 in steps_seen(tmp_path)
    head.close()


@pytest.mark.parametrize("where", [0.2, 0.95])
@pytest.mark.parametrize("name", ["00000001", "00000001.index"])
def test_damaged_chunks_come_back_from_the_wal(tmp_path: Path, name: str, where: float) -> None:
    kill(fill(tmp_path, 300))
    path = tmp_path / "chunks" / name
    size = max(i for i, byte in enumerate(path.read_bytes()) if byte) + 1
    data = bytearray(path.read_bytes())
    data[int(size * where)] ^= 0x80
    path.write_bytes(data)
    head = Head.open(tmp_path, options=OPTIONS)
    assert head.stats().chunk_corruptions == 1
    assert steps_seen(tmp_path) == set(range(300))
    head.close()


def test_chunks_of_unknown_owners_are_cut(tmp_path: Path) -> None:
    kill(fill(tmp_path, 300))
    (tmp_path / "head" / "series").write_bytes(b"")
    head = Head.open(tmp_path, options=OPTIONS)
    assert head.stats().chunk_corruptions == 1
    group = head.open_group({"instance": "b"})
    group.slots(table(head, ROWS))
    head.commit()
    assert steps_seen(tmp_path) == set()
    head.close()


@pytest.mark.parametrize("content", [b"", b"x" * 4096, bytes(4096)])
def test_damaged_control_page(tmp_path: Path, content: bytes) -> None:
    kill(fill(tmp_path, 5))
    control.path_of(tmp_path).write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        open_reader(tmp_path)
    head = Head.open(tmp_path, options=OPTIONS)
    assert steps_seen(tmp_path) == set(range(5))
    head.close()


def put_in_page(path: Path, position: int, number: int) -> None:
    """Write a number of the control page."""
    page = np.fromfile(control.path_of(path), np.int64)
    page[position] = number
    page.tofile(control.path_of(path))


@pytest.mark.parametrize("said", [-1, -(2**63), 2**40, 2**62])
def test_a_series_log_that_can_not_be_that_long(tmp_path: Path, said: int) -> None:
    kill(fill(tmp_path, 5))
    put_in_page(tmp_path, control.SERIES_BYTES, said)
    with pytest.raises(StorageError, match="control is damaged"):
        steps_seen(tmp_path)
    head = Head.open(tmp_path, options=OPTIONS)
    assert steps_seen(tmp_path) == set(range(5))
    head.close()


def test_rows_of_another_run_of_the_system_are_not_trusted(tmp_path: Path) -> None:
    kill(fill(tmp_path, 100))
    put_in_page(tmp_path, control.BOOT, 12345)
    assert steps_seen(tmp_path) == set(range(64))
    Head.open(tmp_path, options=OPTIONS).close()
    assert steps_seen(tmp_path) == set(range(100))


def test_two_heads_on_one_directory(tmp_path: Path) -> None:
    head = Head.open(tmp_path, options=OPTIONS)
    with pytest.raises(DirectoryLocked, match=f"process {os.getpid()}"):
        Head.open(tmp_path, options=OPTIONS)
    head.close()
    Head.open(tmp_path, options=OPTIONS).close()


def test_not_a_data_directory(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(StorageError, match="not a data directory"):
            open_reader(path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StorageError, match="cannot create data directory"):
        Head.open(file / "data")


def test_read_only_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str, flags: int, *rest: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError, match="cannot write to data directory"):
        Head.open(tmp_path)


class FullDisk:
    """Lets writes fail as a full disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        write, reserve = os.write, files.reserve

        def checked_write(fd: int, data: memoryview) -> int:
            if self.full:
                write(fd, data[: len(data) // 2])  # half of it still fits
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(fd, data)

        def checked_reserve(fd: int, size: int) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            reserve(fd, size)

        monkeypatch.setattr(os, "write", checked_write)
        monkeypatch.setattr(files, "reserve", checked_reserve)


def test_full_disk_and_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    head = fill(tmp_path, 60)
    group = head.open_group({"instance": "b"})
    rows = [{**row, "instance": "b"} for row in ROWS]
    refs = head.refs(table(head, [{"__name__": "loose", "n": str(i)} for i in range(3)]))
    disk.full = True
    slots = group.slots(table(head, rows))
    refused = 0
    for step in range(60, 200):
        for append in (
            lambda s=step: group.append(1000 * s, slots, np.arange(10.0) + s),
            lambda s=step: head.append_loose(refs, np.full(3, 1000 * s), np.arange(3.0) + s),
        ):
            try:
                append()
            except StorageError as error:
                refused += "free some space" in str(error)
        with pytest.raises(StorageError, match="free some space"):
            head.commit()
    assert refused
    disk.full = False
    group.append(200_000, slots, np.arange(10.0) + 200)
    head.append_loose(refs, np.full(3, 200_000), np.arange(3.0) + 200)
    head.commit()
    with open_reader(tmp_path) as reader:
        before = everything(reader)
    assert {t for t, _ in before[key_of(rows[0])]} >= {200_000}
    loose = before[key_of({"__name__": "loose", "n": "1"})]
    assert {t for t, _ in loose} >= {200_000, *range(0, 64_000, 1000)}
    kill(head)
    again = Head.open(tmp_path, options=OPTIONS)
    assert again.wal_corruptions == 0
    with open_reader(tmp_path) as reader:
        assert everything(reader) == before
    again.close()


def test_reader_in_another_process_sees_a_commit_at_once(tmp_path: Path) -> None:
    script = f"""
import sys
from promlab.model.matchers import Matcher, MatchType
from promlab.tsdb.open import open
reader = open({str(tmp_path)!r})
for _ in sys.stdin:
    batch = reader.select([Matcher("__name__", MatchType.EQUAL, "m3")], 0, 10**9)
    print(batch.sample_count, int(batch.t_ms.max()), flush=True)
"""
    head = fill(tmp_path, 1)
    group = head.open_group({"instance": "b"})
    slots = group.slots(table(head, ROWS[:5]))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for step in range(1, 200):
            group.append(1000 * step, slots, np.arange(5.0))
            head.commit()
            other.stdin.write("now\n")
            other.stdin.flush()
            assert other.stdout.readline().split() == [str(step + 1), str(1000 * step)]
            if step == 100:
                head.close()
                head = Head.open(tmp_path, options=OPTIONS)
                group = head.open_group({"instance": "b"})
                slots = group.slots(table(head, ROWS[:5]))
        other.stdin.close()
    head.close()

"""Groups over time: what pushes, deletions, expiry and a restart do to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promlab.errors import PromlabError, StorageError
from promlab.exporters.families import LabelKey
from promlab.exporters.negotiation import TEXT
from promlab.pushgateway import journal as journals
from promlab.pushgateway.body import BadBody, Pushed, read, unpacked
from promlab.pushgateway.exposure import Exposure
from promlab.pushgateway.gateway import Gateway
from promlab.pushgateway.grouping import BadGroup, grouping_key
from promlab.pushgateway.journal import Journal
from promlab.pushgateway.store import Inconsistent

A: LabelKey = (("job", "a"),)
B: LabelKey = (("inst", "b"), ("job", "a"))


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def pushed(text: str) -> Pushed:
    return read(text.encode(), "", utf8=False)


def push(
    gateway: Gateway, key: LabelKey, text: str, *, put: bool = True, ttl: float | None = None
) -> None:
    gateway.push(key, pushed(text), replace=put, ttl_s=ttl)


def exposed(gateway: Gateway) -> list[str]:
    lines = Exposure(gateway.store, gateway.own).body(TEXT).decode().splitlines()
    return [line for line in lines if not line.startswith(("#", "process_", "pushgateway_"))]


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("job/a", {"job": "a"}),
        ("job/a/b/c", {"job": "a", "b": "c"}),
        ("job@base64/YS9i/x@base64/=", {"job": "a/b", "x": ""}),
        ("job/a/job/z/x/1/x/2", {"job": "a", "x": "2"}),
        ("job/a/U__b_2e_c__d/1", {"job": "a", "b.c_d": "1"}),
    ],
)
def test_grouping_keys(path: str, labels: dict[str, str]) -> None:
    assert grouping_key(path, utf8=True) == tuple(sorted(labels.items()))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("job/", "job name is required"),
        ("job@base64/=", "job name is required"),
        ("job/a/b", "odd number"),
        ("job/a/__b/c", "improper label name '__b'"),
        ("job/a/b-c/d", "improper label name 'b-c'"),
        ("job@base64/a!", "illegal base64 data at input byte 1"),
        ("job@base64/_w", "not valid UTF-8"),
        ("job/a/b@base64/abcde", "for label b='abcde'"),
    ],
)
def test_paths_that_name_no_group(path: str, message: str) -> None:
    with pytest.raises(BadGroup, match=message):
        grouping_key(path)


def test_put_replaces_and_post_adds() -> None:
    gateway = Gateway()
    push(gateway, A, "x 1\ny 2\n")
    push(gateway, A, "y 3\nz 4\n", put=False)
    shown = exposed(gateway)
    assert 'x{instance="",job="a"} 1' in shown
    assert 'y{instance="",job="a"} 3' in shown
    push(gateway, A, "z 5\n")
    assert [line for line in exposed(gateway) if line[0] in "xyz"] == ['z{instance="",job="a"} 5']
    gateway.delete(A)
    gateway.delete(A)
    assert exposed(gateway) == []


def test_a_refused_push_leaves_what_was_there() -> None:
    clock = Clock()
    gateway = Gateway(now=clock)
    push(gateway, A, "# TYPE x counter\nx 1\n")
    clock.now_s = 2000.0
    for text, why in (
        ("x 1 5\n", "timestamps"),
        ("y 1\ny 2\n", "before with the same name"),
        ("# TYPE process_cpu_seconds_total gauge\nprocess_cpu_seconds_total 1\n", "own counter"),
    ):
        with pytest.raises(Inconsistent, match=why):
            push(gateway, A, text)
    with pytest.raises(Inconsistent, match=r"a gauge here, but a counter in the group .*'a'"):
        push(gateway, B, "# TYPE x gauge\nx 1\n")
    shown = exposed(gateway)
    assert 'x{instance="",job="a"} 1' in shown
    assert 'push_time_seconds{instance="",job="a"} 1000' in shown
    assert 'push_failure_time_seconds{instance="",job="a"} 2000' in shown
    assert 'push_time_seconds{inst="b",instance="",job="a"} 0' in shown
    assert not gateway.store.groups[A].is_good
    push(gateway, A, "# TYPE x gauge\nx 1\n")  # its own type may change
    push(gateway, B, "# TYPE x gauge\nx 1\n")


def test_series_are_free_again_once_their_group_is_gone() -> None:
    gateway = Gateway()
    push(gateway, A, 'x{inst="b"} 1\n')
    with pytest.raises(Inconsistent, match="by the group"):
        push(gateway, B, "x 2\n")
    push(gateway, A, "y 1\n")
    push(gateway, B, "x 2\n")
    assert 'x{inst="b",instance="",job="a"} 2' in exposed(gateway)


def test_groups_expire() -> None:
    clock = Clock()
    gateway = Gateway(now=clock, default_ttl_s=100)
    push(gateway, A, "x 1\n", ttl=10)
    push(gateway, B, "y 1\n")
    assert 'push_expiry_time_seconds{instance="",job="a"} 1010' in exposed(gateway)
    clock.now_s = 1009.0
    push(gateway, A, "x 2\n")  # the group's own time begins anew
    clock.now_s = 1018.0
    gateway.expire()
    assert A in gateway.store.groups
    clock.now_s = 1019.0
    gateway.expire()
    assert list(gateway.store.groups) == [B]
    push(gateway, B, "y 2\n", ttl=0)
    clock.now_s = 1e9
    gateway.expire()
    assert list(gateway.store.groups) == [B]


HISTOGRAM = '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'


def stored(path: Path, clock: Clock) -> Gateway:
    return Gateway(Journal(path), now=clock)


def leave(gateway: Gateway) -> None:
    """Let go of the file as a killed process does, with no last write."""
    assert gateway._journal is not None
    gateway._journal.close()


def test_everything_survives(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "sub" / "groups"
    first = stored(path, clock)
    push(first, A, f'# HELP x "Help"\n# TYPE x counter\nx{{l="a\\"b"}} 1\n{HISTOGRAM}')
    push(first, B, "y NaN\n", ttl=50)
    push(first, (("job", "gone"),), "z 1\n")
    first.delete((("job", "gone"),))
    with pytest.raises(Inconsistent):
        push(first, B, "# TYPE x gauge\nx 1\n")
    push(first, A, "w 5\n", put=False)
    before = exposed(first)
    leave(first)
    second = stored(path, clock)
    assert exposed(second) == before
    second.close()  # writes anew
    third = stored(path, clock)
    assert exposed(third) == before
    with pytest.raises(Inconsistent):
        push(third, B, "# TYPE x gauge\nx 1\n")
    third.wipe()
    leave(third)
    clock.now_s = 1050.0
    assert exposed(stored(path, clock)) == []


def test_groups_that_expired_meanwhile_are_gone(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "groups"
    first = stored(path, clock)
    push(first, A, "x 1\n", ttl=50)
    leave(first)
    clock.now_s = 1050.0
    assert exposed(stored(path, clock)) == []


def test_a_torn_end_is_cut_off(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "groups"
    gateway = stored(path, clock)
    push(gateway, A, "x 1\n")
    leave(gateway)
    whole = path.read_bytes()
    gateway = stored(path, clock)
    push(gateway, B, "y 1\n")
    leave(gateway)
    for size in range(len(whole), path.stat().st_size):
        os.truncate(path, size)
        path.write_bytes(path.read_bytes())
        gateway = stored(path, clock)
        assert list(gateway.store.groups) == [A]
        assert path.stat().st_size == len(whole)
        leave(gateway)
        path.write_bytes(whole + b"\x01" * (size - len(whole)))


def test_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "groups"
    path.write_bytes(b"something else entirely, of another program")
    with pytest.raises(StorageError, match="was not written by this gateway"):
        Journal(path)
    assert path.read_bytes().startswith(b"something else")
    held = Journal(tmp_path / "held")
    with pytest.raises(StorageError, match="in use by another gateway"):
        Journal(tmp_path / "held")
    held.close()
    with pytest.raises(StorageError, match="Is a directory"):
        Journal(tmp_path)


def test_a_full_disk_refuses_the_push_and_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, path = Clock(), tmp_path / "groups"
    gateway = stored(path, clock)
    push(gateway, A, "x 1\n")
    write = journals._write_all

    def half(file: object, data: bytes) -> None:
        write(file, data[: len(data) // 2])  # type: ignore[arg-type]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journals, "_write_all", half)
    with pytest.raises(StorageError, match="No space left on device"):
        push(gateway, A, "x 2\n")
    assert 'x{instance="",job="a"} 1' in exposed(gateway)
    monkeypatch.undo()
    push(gateway, B, "y 1\n")
    leave(gateway)
    assert set(stored(path, clock).store.groups) == {A, B}


def test_the_file_is_written_anew_when_it_is_mostly_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_LEAST_BYTES", 2_000)
    clock, path = Clock(), tmp_path / "groups"
    gateway = Gateway(Journal(path, interval_s=10), now=clock)
    sizes = []
    for i in range(100):
        clock.now_s += 1
        push(gateway, A, f"x {i}\n")
        sizes.append(path.stat().st_size)
    assert max(sizes) < 5_000
    leave(gateway)
    assert 'x{instance="",job="a"} 99' in exposed(stored(path, clock))


@pytest.mark.parametrize(
    ("body", "encoding", "kind", "message"),
    [
        (b"x 1\n", "gzip", "", "gzip: "),
        (b"\x1f\x8b\x08\x00", "gzip", "", "unexpected end"),
        (b"\xff\xff\xff", "snappy", "", "snappy: "),
        (b"x\xff 1\n", "", "", "not valid UTF-8 at byte 1"),
        (b"x 1", "", "", "the last line does not end"),
    ],
)
def test_bodies_that_cannot_be_read(body: bytes, encoding: str, kind: str, message: str) -> None:
    with pytest.raises(PromlabError, match=message) as refused:
        read(unpacked(body, encoding), kind, utf8=False)
    assert isinstance(refused.value, BadBody)

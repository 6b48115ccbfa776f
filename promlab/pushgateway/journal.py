"""The file by which groups survive the process: what happened, record after record.

A push is answered once its record is with the operating system, so that no kill loses it; the
disk itself has it a second later at the latest. A record is length, CRC and content, so that the
torn end of a crash is found and cut off. Now and then the file is written anew with what there is.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from promlab.errors import ExpositionError, StorageError
from promlab.exporters import protobuf, protobuf_reader
from promlab.exporters.families import LabelKey
from promlab.pushgateway.body import grouped
from promlab.pushgateway.store import Group, Store, Stored
from promlab.web.log import facts

log = logging.getLogger(__name__)

MAGIC = b"promlab pushgateway 1\n"
_FRAME = struct.Struct("<II")
_LEAST_BYTES = 1 << 20
_SYNC_S = 1.0


class NamedTime(msgspec.Struct, array_like=True):
    """When a family was pushed."""

    name: str
    time_s: float


class Record(msgspec.Struct, array_like=True):
    """One event. `op`: replace, merge, fail, delete, wipe, or group (one as it is)."""

    op: str
    key: tuple[tuple[str, str], ...] = ()
    time_s: float = 0.0
    ttl_s: float | None = None
    body: bytes = b""  # families, delimited protobuf
    failure_s: float = 0.0
    times: list[NamedTime] = []


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Record)


class Journal:
    """An open file, locked against a second gateway. Raises StorageError."""

    def __init__(self, path: Path, *, interval_s: float = 300.0) -> None:
        self.path, self._interval_s = path, interval_s
        self._written_anew_s = 0.0
        self._sync_wanted = threading.Event()
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open(path)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror or error}") from None
        self._size = self._compact_size = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._sync, name="journal-sync", daemon=True).start()

    def restore(self, store: Store) -> None:
        """Replay the file into an empty store; a torn end is cut off. Raises StorageError."""
        with self._file_errors():
            good = len(MAGIC)
            for end, record in self._records():
                replay(store, record)
                good = end
            torn = os.fstat(self._file.fileno()).st_size - good
            if torn:
                log.warning("Cutting off a torn record", extra=facts(file=self.path, bytes=torn))
            self._file.truncate(good)
            self._file.seek(good)
        self._size = self._compact_size = good

    def append(self, record: Record) -> None:
        """Write a record; afterwards it survives the process. Raises StorageError."""
        payload = _encode(record)
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        with self._lock:
            try:
                _write_all(self._file, frame)
            except OSError as error:
                # Half a record must not stay in front of the next one.
                with contextlib.suppress(OSError):
                    self._file.truncate(self._size)
                    self._file.seek(self._size)
                raise StorageError(
                    f"nothing can be stored in {self.path}: {error.strerror}"
                ) from None
            self._size += len(frame)
        self._sync_wanted.set()

    def rewrite_if_large(self, store: Store, now_s: float) -> None:
        """Write the file anew when most of it is history, at most once an interval."""
        is_large = self._size > max(_LEAST_BYTES, 4 * self._compact_size)
        if is_large and now_s - self._written_anew_s >= self._interval_s:
            self._written_anew_s = now_s
            try:
                self.rewrite(store)
            except StorageError as error:
                log.error("Can't write the file anew", extra=facts(err=error))

    def rewrite(self, store: Store) -> None:
        """Replace the file with one that holds just what there is. Raises StorageError."""
        aside = self.path.with_name(f".in_progress.{self.path.name}")
        with self._file_errors():
            fresh = _opened(aside, os.O_CREAT | os.O_TRUNC)
            try:
                fcntl.flock(fresh, fcntl.LOCK_EX | fcntl.LOCK_NB)
                parts = [MAGIC, *(_framed(_of_group(group)) for group in store.groups.values())]
                _write_all(fresh, b"".join(parts))
                os.fsync(fresh.fileno())
                aside.replace(self.path)
            except BaseException:
                fresh.close()
                aside.unlink(missing_ok=True)
                raise
            with self._lock:
                old, self._file = self._file, fresh
                self._size = self._compact_size = sum(map(len, parts))
            old.close()
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Bring everything to the disk and let go of the file."""
        if self._closed:
            return
        self._closed = True
        self._sync_wanted.set()
        with self._lock, contextlib.suppress(OSError):
            os.fsync(self._file.fileno())
            self._file.close()

    def _open(self, path: Path) -> IO[bytes]:
        file = _opened(path, os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise StorageError(
                f"{path} is in use by another gateway: stop it, or name another --persistence.file"
            ) from None
        head = file.read(len(MAGIC))
        if not head or (MAGIC.startswith(head) and head != MAGIC):
            file.seek(0)
            file.truncate(0)
            file.write(MAGIC)
        elif head != MAGIC:
            file.close()
            raise StorageError(
                f"{path} was not written by this gateway (those of Prometheus's own Pushgateway "
                "can't be read): move it away, or name another --persistence.file"
            )
        return file

    def _records(self) -> Iterator[tuple[int, Record]]:
        """Records with where they end, up to the first that is not whole."""
        self._file.seek(len(MAGIC))
        data = self._file.read(-1)
        at = 0
        while at + _FRAME.size <= len(data):
            size, crc = _FRAME.unpack_from(data, at)
            end = at + _FRAME.size + size
            payload = data[at + _FRAME.size : end]
            if end > len(data) or zlib.crc32(payload) != crc:
                return
            try:
                yield len(MAGIC) + end, _decoder.decode(payload)
            except msgspec.DecodeError as error:
                raise StorageError(f"{self.path} at byte {at}: {error}") from None
            at = end

    def _sync(self) -> None:
        """Bring what is written to the disk, once a second at most."""
        pause = threading.Event()
        while not self._closed:
            self._sync_wanted.wait()
            self._sync_wanted.clear()
            pause.wait(_SYNC_S)
            with self._lock, contextlib.suppress(OSError, ValueError):
                os.fsync(self._file.fileno())

    @contextlib.contextmanager
    def _file_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror or error}") from None


def _opened(path: Path, more: int) -> IO[bytes]:
    """A file to read and write, unbuffered: nothing may wait in this process."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CLOEXEC | more, 0o640), "r+b", buffering=0)


def _write_all(file: IO[bytes], data: bytes) -> None:
    """Write all of it; a disk that is nearly full takes a part first."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def push_record(
    op: str, key: LabelKey, stored: Sequence[Stored], now_s: float, ttl_s: float | None
) -> Record:
    """The record of a push."""
    return Record(op, key, now_s, ttl_s, protobuf.render(one.family for one in stored))


def replay(store: Store, record: Record) -> None:
    """Let a record's event happen again."""
    if record.op == "wipe":
        store.wipe()
    elif record.op == "delete":
        store.delete(record.key)
    elif record.op == "fail":
        store.fail(record.key, record.time_s, record.ttl_s)
    elif record.op == "group":
        group = Group(record.key)
        times = {one.name: one.time_s for one in record.times}
        for one in _stored(record):
            name = one.family.name
            one.time_s = times.get(name, record.time_s)
            group.families[name] = one
        group.pushed_s, group.failure_s = record.time_s, record.failure_s
        group.ttl_s = record.ttl_s or 0.0
        store.restore(group)
    else:
        replace = record.op == "replace"
        store.apply(record.key, _stored(record), record.time_s, replace=replace, ttl_s=record.ttl_s)


def _stored(record: Record) -> list[Stored]:
    try:
        families = protobuf_reader.read(record.body).families
    except ExpositionError as error:
        raise StorageError(f"a stored group can't be read: {error}") from None
    return [Stored.of(grouped(family, record.key), record.time_s) for family in families]


def _of_group(group: Group) -> Record:
    body = protobuf.render(one.family for one in group.families.values())
    times = [NamedTime(name, one.time_s) for name, one in group.families.items()]
    return Record("group", group.key, group.pushed_s, group.ttl_s, body, group.failure_s, times)


def _framed(record: Record) -> bytes:
    payload = _encode(record)
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload

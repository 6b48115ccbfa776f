"""Records on disk: SQLite, one small database each for silences and the notification log.

SQLite's write-ahead log gives what is asked for here without code of our own: a record is whole
or not there, whatever kills the process, and old ones leave without rewriting the rest. Silences
are synced to the disk before they are acknowledged; the notification log is handed to the
operating system, which a killed process can't take back.
"""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from promlab.alertmanager.measures import Histogram
from promlab.errors import StorageError

_CREATE = "CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"
_PUT = "INSERT INTO records VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """Look for no garbage while many records become objects, all of which stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Database:
    """Keys and values in one file. Raises StorageError, with the file and what to do.

    Threads may write; one waits for the other.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self._path, self._lock = path, threading.Lock()
        self.write_s = Histogram()
        with self._errors("opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            # One process has it: a second one gets an error instead of half of the truth.
            self._db = sqlite3.connect(
                path, isolation_level=None, timeout=0.5, check_same_thread=False
            )
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute(_CREATE)
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "") or ""
            raise StorageError(f"{self._path} can't be {what}: {_advice(name, error)}") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StorageError(f"{self._path} can't be {what}: {reason}") from None

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def load(self) -> Iterator[tuple[str, bytes]]:
        """All records, one after the other."""
        with self._errors("read"):
            yield from self._db.execute("SELECT key, value FROM records")

    def put(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Keep records: all of them, or none if this raises."""
        with self.write_s.timed(), self._errors("written"), self._transaction():
            self._db.executemany(_PUT, records)

    def delete(self, keys: Iterable[str]) -> None:
        """Forget records."""
        with self._errors("written"), self._transaction():
            self._db.executemany("DELETE FROM records WHERE key = ?", ((key,) for key in keys))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        with self._errors("closed"), self._lock:
            self._db.close()


def _advice(name: str, error: sqlite3.DatabaseError) -> str:
    if name.startswith("SQLITE_FULL"):
        return "the disk is full: make room"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return (
            "another Alertmanager has it open: stop that one, or name another folder with "
            "--storage.path"
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f"it is damaged ({error}): move it away to start without it"
    if name.startswith("SQLITE_READONLY") or name.startswith("SQLITE_CANTOPEN"):
        return f"{error}: look at the permissions of the folder"
    return str(error)


class Memory:
    """Records that end with the process, for tests and for a lab without a folder."""

    size_bytes = 0

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}

    def load(self) -> list[tuple[str, bytes]]:
        """All records."""
        return list(self.records.items())

    def put(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Keep records."""
        self.records.update(records)

    def delete(self, keys: Iterable[str]) -> None:
        """Forget records."""
        for key in keys:
            self.records.pop(key, None)

    def close(self) -> None:
        """Nothing to close."""

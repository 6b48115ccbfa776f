"""kill -9, a full disk, a damaged file, a second process: what was promised holds."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from promlab.alertmanager.clock import SystemClock
from promlab.alertmanager.matchers import parse_all
from promlab.alertmanager.nflog import NotificationLog, entry_key
from promlab.alertmanager.silence import Silence
from promlab.alertmanager.silences import Silences
from promlab.alertmanager.storage import Database
from promlab.errors import StorageError
from tests.alertmanager.alertmanager_process import alertmanager, eventually, sink

DAY_MS = 86_400_000


def config(url: str) -> str:
    return f"""
route: {{receiver: a, group_by: [alertname], group_wait: 100ms, group_interval: 300ms,
  repeat_interval: 1h}}
receivers: [{{name: a, webhook_configs: [{{url: "{url}"}}]}}]
"""


@pytest.mark.slow
def test_kill_9_loses_no_silence_and_sends_nothing_twice(tmp_path: Path) -> None:
    with sink() as hook:
        silences: list[str] = []
        for life in range(3):
            with alertmanager(tmp_path, config(hook.url)) as am:
                kept = {each["id"] for each in am.get("/api/v2/silences")}
                assert kept == set(silences)
                # What was sent in an earlier life is not sent again; what is new is sent once.
                am.post_alerts(*({"labels": {"alertname": f"A{i}"}} for i in range(life + 1)))
                eventually(lambda life=life: f'"A{life}"' in told(hook.calls))
                silences += [am.silence(("x", f"{life}-{i}")) for i in range(5)]
                am.kill()
        sent = [call.json["groupLabels"]["alertname"] for call in hook.calls]
        assert sorted(sent) == ["A0", "A1", "A2"]


def told(calls: list[object]) -> str:
    return " ".join(call.body.decode() for call in calls)  # type: ignore[attr-defined]


def test_killed_before_the_answer_sends_again(tmp_path: Path) -> None:
    """At least once: what nobody confirmed is sent by the next life."""
    import threading

    from tests.alertmanager.alertmanager_process import Call, Reply

    killed = threading.Event()

    def answer(call: Call) -> Reply:
        if not killed.is_set():
            am.kill()
            killed.set()
        return Reply()

    with sink(answer) as hook:
        with alertmanager(tmp_path, config(hook.url)) as am:
            am.post_alerts({"labels": {"alertname": "A"}})
            eventually(killed.is_set)
        with alertmanager(tmp_path, config(hook.url)) as am:
            am.post_alerts({"labels": {"alertname": "A"}})
            eventually(lambda: len(hook.calls) == 2)


def test_a_second_process_is_told_so(tmp_path: Path) -> None:
    with (
        alertmanager(tmp_path, config("http://x/")),
        alertmanager(tmp_path, config("http://x/"), wait=False) as second,
    ):
        assert second.process.wait(timeout=240) == 1
        assert "another Alertmanager has it open" in second.log.read_text()


def test_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "silences.db"
    path.write_bytes(b"no database, this" * 1000)
    with pytest.raises(StorageError, match=r"silences\.db can't be opened: it is damaged"):
        Database(path, durable=True)


def new_silence(value: str) -> Silence:
    now_ms = SystemClock().now_ms()
    return Silence("", tuple(parse_all(f'a="{value}"')), now_ms, now_ms + DAY_MS, 0, "me", "why")


FULL = """
import resource, sys
from pathlib import Path
from promlab.alertmanager.storage import Database
from promlab.errors import StorageError
database = Database(Path(sys.argv[1]), durable=True)
database.put([("before", b"kept")])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    database.put([(str(i), b"x" * 1000) for i in range(1000)])
except StorageError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
database.put([("after", b"kept")])
print(sorted(key for key, _ in database.load()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a size limit stands for a full disk")
def test_full_disk_is_an_error_and_no_damage(tmp_path: Path) -> None:
    assert resource.RLIMIT_FSIZE >= 0
    script = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + FULL
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "x.db")], capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert "x.db can't be written" in lines[0]
    assert lines[1] == "['after', 'before']"


def test_what_can_not_be_stored_is_not_in_force(tmp_path: Path) -> None:
    class Broken:
        def load(self) -> list[tuple[str, bytes]]:
            return []

        def put(self, records: object) -> None:
            raise StorageError("the disk is full: make room")

        def delete(self, keys: object) -> None:
            pass

    silences = Silences(Broken(), SystemClock(), retention_ms=DAY_MS)
    with pytest.raises(StorageError, match="disk is full"):
        silences.set(new_silence("x"))
    assert len(silences) == 0


def test_notification_log_waits_for_the_disk(tmp_path: Path) -> None:
    """A notification that is out counts, written or not; it is written when there is room."""

    class Sometimes:
        def __init__(self) -> None:
            self.full = True
            self.records: dict[str, bytes] = {}

        def load(self) -> list[tuple[str, bytes]]:
            return list(self.records.items())

        def put(self, records: list[tuple[str, bytes]]) -> None:
            if self.full:
                raise StorageError("the disk is full: make room")
            self.records.update(records)

        def delete(self, keys: object) -> None:
            pass

    store = Sometimes()
    log = NotificationLog(store, SystemClock(), retention_ms=DAY_MS)
    key = entry_key("{}:{}", "a", "webhook", 0)
    log.add(key, frozenset({1}), frozenset(), 3_600_000, {})
    assert log.get(key) is not None
    assert log.write_errors == 1
    store.full = False
    log.collect()
    assert NotificationLog(store, SystemClock(), retention_ms=DAY_MS).get(key) is not None


def test_compaction_keeps_files_small(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.db", durable=False)
    for _ in range(200):
        database.put([(str(i), b"x" * 1000) for i in range(20)])
    assert database.size_bytes < 1_000_000
    wal = tmp_path / "x.db-wal"
    assert wal.stat().st_size < 8_000_000
    database.close()
    assert sqlite3.connect(tmp_path / "x.db").execute("PRAGMA integrity_check").fetchone() == (
        "ok",
    )

"""Whole servers, killed at random moments: what they acknowledged is there once, exactly.

Remote writes go on all the time, and so do cuts of the head, joining of blocks, deletion and
cleaning; SIGKILL meets all processes of a server at once, or the one that stores, or one that
writes blocks. PROMLAB_KILLS says how often; the default is for CI, where test_block_crash.py
kills the storage alone 150 times more, and test_crash.py 30 times.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
from kill_load import Deletion, Key, Ledger, Moment, Sender, Stored, read_as

from promlab.remote.snappy import uncompress
from tests.patience import PATIENCE_S, until
from tests.remote.test_read import question
from tests.remote.written import fields, read_histogram, read_sample
from tests.server.running import Running
from tests.write_bodies import compressed, headers, version_1

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("PROMLAB_KILLS", "24"))
SERVERS = 2  # side by side
_PATIENT = 5  # times as many kills at most, where no deletion was done before
SEED = int(os.environ.get("PROMLAB_SEED", "11"))
FIRST_BATCHES = 160  # nearly an hour of samples, which the head keeps before it is cut
AGE_S = 10 * 86_400  # of the first sample: there is room for many batches until now
RECENT_MS = 4_000_000
FLAGS = (
    "--web.enable-remote-write-receiver",
    "--web.enable-admin-api",
    "--enable-feature=exemplar-storage",
    "--storage.tsdb.min-block-duration=100s",
    "--storage.tsdb.max-block-duration=900s",
    "--storage.tsdb.retention.time=100d",
)
_pause = threading.Event()


class Victim:
    """A data directory, the server on it, who writes to it, and what was acknowledged."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        folder.mkdir()
        (folder / "p.yml").write_text("storage: {tsdb: {out_of_order_time_window: 2h}}\n")
        self.folder, self._dice = folder, dice
        start_ms = (int(time.time()) - AGE_S) // 1_000 * 1_000_000
        self.ledger = Ledger(start_ms, FIRST_BATCHES)
        self.server: Running | None = None
        self.kills = 0
        self._over = threading.Event()
        self._problems: list[BaseException] = []

    # --- who writes -----------------------------------------------------------------------

    @contextlib.contextmanager
    def under_load(self) -> Iterator[None]:
        """With all senders, and somebody who deletes, until the block ends."""
        work = [(self._send, sender) for sender in self.ledger.senders]
        work.append((self._delete, random.Random(self._dice.random())))  # type: ignore[arg-type]
        threads = [threading.Thread(target=self._guarded, args=each) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
        self.assert_well()

    def _guarded(self, work: object, argument: object) -> None:
        try:
            while not self._over.is_set():
                work(argument)  # type: ignore[operator]
        except BaseException as problem:
            self._problems.append(problem)

    def assert_well(self) -> None:
        if self._problems:
            raise self._problems[0]

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of an answer; 0 while there is no server, or one that dies."""
        server = self.server
        if server is None:
            return 0, b""
        connection = http.client.HTTPConnection(server.url[7:], timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers() if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def _send(self, sender: Sender) -> None:
        """One request."""
        batches = sender.next_batches()
        body = compressed(version_1(one for number in batches for one in sender.batch(number)))
        sender.begun = batches.stop
        status, text = self.ask("POST", "/api/v1/write", body)
        if status == 204:
            sender.acknowledged = batches.stop
        else:
            assert status == 0 or status >= 500, (status, text)
        _pause.wait(0.01 if status == 204 else 0.1)

    def _delete(self, dice: random.Random) -> None:
        """Delete some samples, or clean up what is deleted."""
        self._over.wait(dice.random())
        deletion = dice.choice(self.ledger.senders).deletion(dice)
        if dice.random() < 0.4 or deletion is None:
            self.ask("POST", "/api/v1/admin/tsdb/clean_tombstones")
            return
        self.ledger.begin_deletion(deletion)
        status, text = self.ask("POST", _deletion_path(deletion))
        assert status in (0, 204) or status >= 500, (status, text)
        if status == 204:
            self.ledger.deletion_done(deletion)

    # --- its lives ------------------------------------------------------------------------

    def start(self) -> None:
        self.server = Running(self.folder, *FLAGS)

    def live(self) -> None:
        """Take some batches, and some time."""
        wanted = sum(self._acknowledged()) + self._dice.randrange(1, 30)
        until(lambda: self.assert_well() or sum(self._acknowledged()) >= wanted, "acknowledgements")
        _pause.wait(self._dice.random() ** 2 * 2.0)

    def _acknowledged(self) -> list[int]:
        return [sender.acknowledged for sender in self.ledger.senders]

    def kill(self) -> None:
        """All processes of the server; or one of them, which it has to survive."""
        assert self.server is not None
        chosen = self._dice.choice(["", "", "", "server.writer", "tsdb.blocks.job"])
        parent = psutil.Process(self.server.process.pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                if not chosen or f"promlab.{chosen}" in process.cmdline():
                    process.kill()
                    self.kills += process is parent or bool(chosen)
        if not chosen:
            server, self.server = self.server, None
            server.stop()

    def kill_once(self) -> None:
        """Start a server if there is none; some die before they are ready."""
        young = self.server is None and self._dice.random() < 0.2
        if self.server is None:
            self.start()
        if young:
            _pause.wait(self._dice.random())
        else:
            self.check(everything=self._dice.random() < 0.1)
            self.live()
        self.kill()

    def stop(self) -> None:
        if self.server is not None:
            server, self.server = self.server, None
            assert server.stop() == 0

    # --- what is there --------------------------------------------------------------------

    def check(self, *, everything: bool = False) -> None:
        """Hold what is stored against what was acknowledged, the newest samples or all."""
        start_ms = self.ledger.start_ms - 10**6
        if not everything:
            last = max(sender.time_of(sender.acknowledged) for sender in self.ledger.senders)
            start_ms = max(start_ms, last - RECENT_MS)
        before, body = until(lambda: self._read(start_ms), "what is stored")
        self.ledger.check(stored(body), start_ms, before, self.ledger.moment())

    def _read(self, start_ms: int) -> tuple[Moment, bytes] | None:
        self.assert_well()
        before = self.ledger.moment()
        asked = compressed(question(start_ms, 2**62, (1, "__name__", "")))
        status, body = self.ask("POST", "/api/v1/read", asked)
        assert status in (0, 200) or status >= 500, (status, body)
        return (before, body) if status == 200 else None

    def check_exemplars(self) -> None:
        for sender in self.ledger.senders:
            asked = {"query": f'g{{i="0",sender="{sender.name}"}}', "start": 0, "end": 2**33}
            _, body = self.ask("GET", f"/api/v1/query_exemplars?{urlencode(asked)}")
            [found] = json.loads(body)["data"]
            traces = [each["labels"]["trace_id"] for each in found["exemplars"]]
            assert len(set(traces)) == len(traces)
            assert {f"t{number}" for number in range(sender.acknowledged)} <= set(traces)


def _deletion_path(deletion: Deletion) -> str:
    asked = {
        "match[]": deletion.selector,
        "start": deletion.start_ms / 1000,
        "end": deletion.end_ms / 1000,
    }
    return f"/api/v1/admin/tsdb/delete_series?{urlencode(asked)}"


def stored(body: bytes) -> Stored:
    """Samples in the answer to a remote read, each time of a series once."""
    [(_, result)] = fields(uncompress(body))
    found: Stored = {}
    for _, series in fields(result):
        labels: dict[str, str] = {}
        samples = []
        for number, content in fields(series):
            if number == 1:
                pair = dict(fields(content))
                labels[pair[1].decode()] = pair[2].decode()
            elif number == 2:
                t_ms, value = read_sample(content)
                samples.append((t_ms, read_as(value)))
            elif number == 4:
                samples.append(read_histogram(content))
        key: Key = tuple(sorted(labels.items()))
        assert key not in found
        found[key] = dict(samples)
        assert len(found[key]) == len(samples), f"{key} has samples twice"
    return found


@contextlib.contextmanager
def victim(folder: Path, seed: int) -> Iterator[Victim]:
    made = Victim(folder, random.Random(seed))
    try:
        yield made
    finally:
        if made.server is not None:
            made.server.stop()


def killed_often(folder: Path, kills: int, seed: int) -> set[int]:
    """Kill the servers of a directory so often; the levels of the blocks that are left."""
    with victim(folder, seed) as made:
        with made.under_load():
            # On a slow machine a server may die before a deletion of it is ever done.
            while made.kills < kills or (
                not made.ledger.deletions_done and made.kills < _PATIENT * kills
            ):
                made.kill_once()
            assert made.ledger.deletions_done
        if made.server is None:
            made.start()
        made.check(everything=True)
        made.check_exemplars()
        made.stop()
        made.start()  # from what an orderly end has left
        made.check(everything=True)
        made.stop()
    log = (folder / "log").read_text()
    assert "Traceback" not in log
    assert "damaged" not in log
    assert not list(folder.glob("data/*.tmp-*"))
    metas = folder.glob("data/*/meta.json")
    return {json.loads(meta.read_text())["compaction"]["level"] for meta in metas}


def test_kill_at_any_moment(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(SERVERS)]
    with ThreadPoolExecutor(SERVERS) as pool:
        each = [
            pool.submit(killed_often, folder, -(-KILLS // SERVERS), SEED + number)
            for number, folder in enumerate(folders)
        ]
    levels = set.union(*(future.result() for future in each))
    assert max(levels) > 1

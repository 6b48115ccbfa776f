"""`promlab.start()`: a Prometheus of one's own, beside the notebook's kernel.

The server and the node exporter are processes of their own, that end with this interpreter
however it ends, unless they are detached. Starting returns at once; whatever needs the server
waits for it. One name, one server: starting it again gives the same `Lab`.
"""

from __future__ import annotations

import atexit
import contextlib
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from promlab.errors import (
    AddressInUse,
    DirectoryLocked,
    NotReady,
    NotRunning,
    PromlabError,
    ServerError,
)
from promlab.lab import expose, gateway, setup
from promlab.lab.children import Child

if TYPE_CHECKING:
    import os

    from promlab.client import Client, Result
    from promlab.client.times import DurationLike, TimeLike

_POLL_S = 0.05
_READY_S = 300.0
_LOCKED = re.compile(r"data directory (.+) is in use by (.+?): stop that server")
_TAKEN = re.compile(r"address (\S+) is already in use", re.IGNORECASE)

_labs: dict[str, Lab] = {}
_starting = threading.RLock()


def start(
    config: setup.Config = None,
    *,
    port: int = 0,
    data: str | os.PathLike[str] | None = None,
    name: str = "default",
    detach: bool = False,
    flags: Sequence[str] = (),
    quiet: bool = False,
) -> Lab:
    """Start a server, or give the one of this name that runs already; returns at once.

    `config` is None (the server watches itself and, through a node exporter, this machine,
    every 5 s), a path, YAML text, or a dict. `port` 0 takes any free port of the loopback
    interface. `data` is a folder that is kept; without it the data end with the lab.
    `detach` lets the server outlive this interpreter. `flags` go to `promlab serve` as they
    are. `quiet` shows no progress line.

    Raises ConfigError, AddressInUse, or ServerError where a server of this name runs with
    another configuration.
    """
    with _starting:
        source = setup.read_config(config)
        running = _labs.get(name)
        if running is not None and running.alive:
            running._refuse_change(config is not None, source, port, data)
            return running
        lab = Lab(source, port=port, data=data, name=name, detach=detach, flags=flags)
        _labs[name] = lab
    if not quiet:
        from promlab.lab.progress import show_start

        show_start(lab)
    return lab


def running(name: str = "default") -> Lab | None:
    """The lab of this name, if its server runs."""
    lab = _labs.get(name)
    return lab if lab is not None and lab.alive else None


def all_running() -> list[Lab]:
    """The labs of this interpreter whose servers run."""
    return [lab for lab in list(_labs.values()) if lab.alive]


class Lab:
    """A server that this interpreter started; `promlab.start()` makes it.

    A context manager: leaving the block stops the server.
    """

    def __init__(
        self,
        source: setup.ConfigSource,
        *,
        port: int,
        data: str | os.PathLike[str] | None,
        name: str,
        detach: bool,
        flags: Sequence[str],
    ) -> None:
        self.name, self.detached, self.started = name, detach, time.monotonic()
        self.port = setup.choose_port(port)
        self.url = f"http://{setup.LOOPBACK}:{self.port}"
        self.data_path = None if data is None else Path(data).expanduser().absolute()
        self.ready_after_s: float | None = None
        self.targets_path: Path | None = None  # what is written there is scraped
        self._source, self._stopped = source, False
        self._client: Client | None = None
        self._folder = self._make_folder()
        self._children: list[Child] = []
        try:
            self._start(flags)
        except BaseException:
            self.stop()
            raise
        self._ended = threading.Event()
        self._became_ready = threading.Event()
        threading.Thread(target=self._watch, name=f"promlab-{name}", daemon=True).start()
        if not detach:
            atexit.register(self.stop)

    @property
    def alive(self) -> bool:
        """Whether the server process runs."""
        return bool(self._children) and self._children[0].alive and not self._stopped

    @property
    def age_s(self) -> float:
        """Seconds since the server was started."""
        return time.monotonic() - self.started

    @property
    def is_ready(self) -> bool:
        """Whether the server has said that it answers queries, and still runs."""
        return self._became_ready.is_set() and self.alive

    @property
    def client(self) -> Client:
        """A client of the server."""
        if self._client is None:
            from promlab.client import Client

            self._client = Client(self.url)
        return self._client

    def ready(self, timeout_s: float = _READY_S) -> Self:
        """Wait until the server answers queries.

        Raises NotReady when the time is up, and what the server died of if it did.
        """
        end = time.monotonic() + timeout_s
        while not self._became_ready.wait(min(0.1, max(0.0, end - time.monotonic()))):
            self._raise_if_gone()
            if time.monotonic() >= end:
                raise NotReady(
                    f"the server at {self.url} is not ready after {timeout_s:g} s: "
                    "it goes on starting; .logs() shows how far it is"
                )
        self._raise_if_gone()
        return self

    def query(self, expr: str, at: TimeLike = None) -> Result:
        """Evaluate an expression at one time, now by default."""
        return self.ready().client.query(expr, at)

    def query_range(
        self,
        expr: str,
        start: TimeLike = "now-15m",
        end: TimeLike = None,
        step: DurationLike | None = None,
    ) -> Result:
        """Evaluate an expression over a stretch of time."""
        return self.ready().client.query_range(expr, start, end, step)

    def targets(self) -> Any:
        """What the server scrapes: a table of job, instance, health and last error."""
        from promlab.lab.card import TargetTable

        return TargetTable(self.ready().client.targets())

    def logs(self, n: int = 50) -> Any:
        """The last lines that the server and the node exporter wrote."""
        from promlab.lab.card import LogLines

        return LogLines([line for child in self._children for line in child.lines(n)])

    @property
    def config_path(self) -> Path:
        """The file that the server reads its configuration from."""
        return self._source.path or self._folder / "prometheus.yml"

    @property
    def config_is_yours(self) -> bool:
        """Whether that file was given to `start`, rather than made by it."""
        return self._source.path is not None

    def apply(self, config: setup.Config) -> Self:
        """Change the configuration; series and data stay. Raises ConfigError."""
        from promlab.lab.reconfigure import apply

        apply(self, config)
        return self

    def reload(self) -> Self:
        """Let the server read its configuration file again. Raises ConfigError."""
        from promlab.lab.reconfigure import reload

        reload(self)
        return self

    def signal_server(self, number: signal.Signals) -> None:
        """Send the server a signal, SIGHUP for instance. Raises NotRunning."""
        self._raise_if_gone()
        self._children[0].signal(number)

    def server_lines(self, n: int = 50) -> list[str]:
        """The last lines that the server wrote."""
        return self._children[0].lines(n)

    def stop(self) -> None:
        """Stop the server; its data go too unless they have a folder of their own."""
        if self._stopped:
            return
        self._stopped = True
        for child in self._children:
            child.stop()
        if self._client is not None:
            self._client.close()
        if not self.detached or self.data_path is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.stop)
        if _labs.get(self.name) is self:
            del _labs[self.name]

    def failure(self) -> PromlabError | None:
        """Why the server is gone, or None while it runs."""
        if self._stopped:
            return NotRunning(f"the lab {self.name!r} was stopped: start it with promlab.start()")
        if self.alive or not self._children:
            return None
        server = self._children[0]
        server.wait(1.0)
        return _death(server.lines(20), server.status, f"{setup.LOOPBACK}:{self.port}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        from promlab.lab.card import text_card

        return text_card(self)

    def _repr_html_(self) -> str:
        from promlab.lab.card import html_card

        return html_card(self)

    def _make_folder(self) -> Path:
        """Where the configuration is written, and the data unless they have a folder."""
        if self.data_path is not None:
            setup.keep_folder(self.data_path)
        if self.detached:
            return Path(tempfile.mkdtemp(prefix="promlab-detached-"))
        return setup.temporary_folder()

    def _start(self, flags: Sequence[str]) -> None:
        with_node = self._source.path is None and not self._source.text
        node = f"{setup.LOOPBACK}:{setup.choose_port(0)}" if with_node else ""
        path = self.config_path
        if not self.config_is_yours:
            own = setup.DEFAULT_CONFIG.format(server=f"{setup.LOOPBACK}:{self.port}", node=node)
            text = setup.with_exposed(self._source.text or own, self._folder)
            path.write_text(text, encoding="utf-8")
            self.targets_path = self._folder / "targets"
            expose.add_to(self.targets_path)
            gateway.add_to(self.targets_path)
        setup.check_config(path)
        arguments = [
            "serve",
            f"--config.file={path}",
            f"--storage.tsdb.path={self.data_path or self._folder / 'data'}",
            f"--web.listen-address={setup.LOOPBACK}:{self.port}",
            *flags,
        ]
        self._spawn(arguments, "server.log")
        if with_node:
            self._spawn(["exporter", "node", f"--web.listen-address={node}"], "node.log")

    def _spawn(self, arguments: list[str], log: str) -> None:
        child = Child(arguments, detach=self.detached, log_path=self._folder / log)
        self._children.append(child)

    def _watch(self) -> None:
        """Ask the server whether it is ready until it is, or is gone. Prints nothing."""
        from promlab.client import Client

        with Client(self.url, timeout_s=2.0) as client:
            while self.alive:
                with contextlib.suppress(PromlabError):
                    if client.is_ready():
                        self.ready_after_s = time.monotonic() - self.started
                        self._became_ready.set()
                        return
                self._children[0].wait(_POLL_S)
        self._ended.set()

    def _raise_if_gone(self) -> None:
        failure = self.failure()
        if failure is not None:
            raise failure

    def _refuse_change(
        self, given: bool, source: setup.ConfigSource, port: int, data: object
    ) -> None:
        changed = []
        if given and source.fingerprint != self._source.fingerprint:
            changed.append("configuration")
        if port not in (0, self.port):
            changed.append("port")
        if data is not None and Path(str(data)).expanduser().absolute() != self.data_path:
            changed.append("data folder")
        if changed:
            raise ServerError(
                f"a lab named {self.name!r} runs at {self.url} with another "
                f"{' and '.join(changed)}: stop it first, or start this one with a name of its own"
            )


def _death(lines: list[str], status: int | None, address: str) -> PromlabError:
    """The error that a server's last words tell of."""
    said = "\n".join(lines)
    locked, taken = _LOCKED.search(said), _TAKEN.search(said)
    if locked:
        return DirectoryLocked(locked[1], locked[2])
    if taken:
        return AddressInUse(address)
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    how = f"was killed by signal {-status}" if status and status < 0 else f"ended with {status}"
    return NotRunning(f"the server {how}: {last.strip()[:500]}")

"""`promlab.expose()`: the kernel's own metrics, served and scraped.

A counter that one cell makes is on a graph in the next: the registry is served on a free port
of the loopback interface, and the lab's server finds that port in a file that its
configuration names (file-based service discovery). The endpoint ends with the interpreter.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promlab.errors import ConfigError
from promlab.model.durations import format_duration_ms, parse_duration_ms

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from promlab.exporters.families import Family
    from promlab.exporters.serving import MetricsServer

TARGETS_ENV = "PROMLAB_TARGETS"
_FILE = re.compile(r"(\d+)-.*\.json")
_LOOPBACK = "127.0.0.1"

_exposed: dict[str, Exposed] = {}
_lock = threading.RLock()


def expose(
    source: Any = None,
    *,
    registry: Collector | None = None,
    name: str = "kernel",
    interval: str | float = "1s",
) -> Exposed:
    """Serve metrics of this interpreter, and let the lab's server scrape them.

    Without arguments it is prometheus_client's own registry; `registry` is another one.
    `source` may be a DataFrame (Polars, pandas), or a function without arguments that gives
    one at each scrape: see docs/how-to/instrument.md. `name` becomes the label `job`;
    `interval` is how often it is scraped, as a duration text or in seconds.

    Calling it again with the same name changes what is served, at the same address. Works
    before `promlab.start()` too: a lab that starts later finds it. Raises ConfigError.
    """
    if source is not None and registry is not None:
        raise ConfigError("expose() takes a frame or a registry, not both")
    collect = _collector_of(source, registry)
    interval_ms = _interval_ms(interval)
    _check_name(name)
    with _lock:
        exposed = _exposed.get(name)
        if exposed is None:
            exposed = _exposed[name] = Exposed(name, collect, interval_ms)
        else:
            exposed._collect, exposed.interval_ms = collect, interval_ms
        for folder in _folders():
            write_target(folder, exposed)
    return exposed


class Exposed:
    """Metrics that this interpreter serves; `promlab.expose()` makes it."""

    def __init__(
        self, name: str, collect: Callable[[], Iterable[Family]], interval_ms: int
    ) -> None:
        from promlab.exporters.serving import MetricsServer

        self.name, self.interval_ms = name, interval_ms
        self._collect, self._pid, self._closed = collect, os.getpid(), False
        self._server: MetricsServer = MetricsServer(
            (_LOOPBACK, 0), lambda _: self._collect(), title=f"Metrics of {name}"
        )
        self.url = self._server.url
        self.address = f"{_LOOPBACK}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, name=f"promlab-expose-{name}", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """Serve no more, and be no target any more."""
        if self._closed or self._pid != os.getpid():  # a fork has neither thread nor target
            return
        self._closed = True
        with _lock:
            for folder in _folders():
                with contextlib.suppress(OSError):
                    target_file(folder, self.name).unlink()
            if _exposed.get(self.name) is self:
                del _exposed[self.name]
        self._server.shutdown()
        self._server.server_close()
        atexit.unregister(self.close)

    def text(self) -> str:
        """What a scrape gets, in the text format."""
        from promlab.exporters.families import render

        return render(self._collect(), utf8=True).decode()

    @property
    def scraped_by(self) -> list[str]:
        """Where it is registered as a target."""
        with _lock:
            return [str(folder) for folder in _folders() if target_file(folder, self.name).exists()]

    def __enter__(self) -> Exposed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        every = format_duration_ms(self.interval_ms)
        if self._closed:
            return f"<metrics of {self.name!r}, closed>"
        if not self.scraped_by:
            return f"<metrics of {self.name!r} at {self.url}: {_advice()}>"
        return f"<metrics of {self.name!r} at {self.url}, scraped every {every} as a target>"


def _advice() -> str:
    from promlab.lab.session import all_running

    if not all_running():
        return "no lab runs yet: promlab.start() will scrape it"
    return (
        "the lab has a configuration file of its own, which is left alone: "
        "add this address to its scrape_configs"
    )


def add_to(folder: Path) -> None:
    """Make all that is exposed targets of a lab that starts with this folder of targets."""
    with _lock:
        folder.mkdir(exist_ok=True)
        for exposed in _exposed.values():
            write_target(folder, exposed)


def write_target(folder: Path, exposed: Exposed) -> None:
    """The file by which a server finds a target; files of interpreters that are gone go."""
    from promlab.lab.setup import runs

    for path in folder.glob("*.json"):
        found = _FILE.fullmatch(path.name)
        if found and not runs(int(found[1])):
            path.unlink(missing_ok=True)
    every = format_duration_ms(exposed.interval_ms)
    labels = {"job": exposed.name, "__scrape_interval__": every, "__scrape_timeout__": every}
    path = target_file(folder, exposed.name)
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps([{"targets": [exposed.address], "labels": labels}]))
    aside.replace(path)


def target_file(folder: Path, name: str) -> Path:
    """Where a target of this interpreter is written down."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return folder / f"{os.getpid()}-{digest}.json"


def _folders() -> list[Path]:
    """Folders of targets that a running server watches."""
    from promlab.lab.session import all_running

    folders = [lab.targets_path for lab in all_running()]
    outer = os.environ.get(TARGETS_ENV, "")
    found = [*(folder for folder in folders if folder is not None)]
    if outer and Path(outer).is_dir() and Path(outer) not in found:
        found.append(Path(outer))
    return found


def _collector_of(source: Any, registry: Collector | None) -> Callable[[], Iterable[Family]]:
    from prometheus_client import REGISTRY

    from promlab.instrument import families_of

    if source is None:
        chosen = REGISTRY if registry is None else registry
        if not hasattr(chosen, "collect"):
            kind = type(chosen).__name__
            raise ConfigError(f"not a prometheus_client registry, but {kind}", field="registry")
        return lambda: families_of(chosen)
    if hasattr(source, "collect") and hasattr(source, "register"):
        return lambda: families_of(source)
    from promlab.exporters.from_frame.frames import Shape, families_of_frame

    shape = Shape(help="From a table of the notebook.")
    if callable(source):
        return lambda: families_of_frame(source(), shape)
    families_of_frame(source, shape)  # what is wrong with it is said here, not at each scrape
    return lambda: families_of_frame(source, shape)


def _check_name(name: str) -> None:
    if not name:
        raise ConfigError("a name must not be empty: it becomes the label job", field="name")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name!r} is not valid Unicode", field="name") from None


def _interval_ms(interval: str | float) -> int:
    try:
        ms = parse_duration_ms(interval) if isinstance(interval, str) else round(interval * 1000)
    except (ValueError, TypeError) as error:
        raise ConfigError(str(error), field="interval") from None
    if ms < 100:
        raise ConfigError(f"{interval!r} is shorter than 100ms", field="interval")
    return ms

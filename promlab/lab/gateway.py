"""`promlab.lab.pushgateway()`: a gateway of one's own, scraped by the lab.

A process beside the kernel, that ends with it. What is pushed keeps the labels it was pushed with.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promlab.errors import AddressInUse, NotReady, NotRunning
from promlab.lab import setup
from promlab.lab.children import Child

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

_READY_S = 60.0
_POLL_S = 0.05
_running: dict[str, Pushgateway] = {}
_starting = threading.RLock()


def pushgateway(
    *,
    port: int = 0,
    file: str | os.PathLike[str] | None = None,
    name: str = "default",
    flags: tuple[str, ...] = (),
) -> Pushgateway:
    """Start a gateway, or give the one of this name that runs already.

    `port` 0 takes any free port of the loopback interface; `file` is where groups survive;
    `flags` go to `promlab pushgateway` as they are. Labs that run are told to scrape it. Raises
    AddressInUse, NotRunning where it does not start.
    """
    with _starting:
        found = _running.get(name)
        if found is not None and found.alive:
            return found
        made = Pushgateway(name, setup.choose_port(port), file, flags)
        _running[name] = made
        return made


class Pushgateway:
    """A gateway that this interpreter started. Leaving its `with` block stops it."""

    def __init__(
        self,
        name: str,
        port: int,
        file: str | os.PathLike[str] | None,
        flags: tuple[str, ...],
    ) -> None:
        self.name, self.address = name, f"{setup.LOOPBACK}:{port}"
        self.url = f"http://{self.address}"
        arguments = [f"--web.listen-address={self.address}", "--web.enable-admin-api", *flags]
        if file is not None:
            arguments.append(f"--persistence.file={Path(file).expanduser().absolute()}")
        self._child = Child(["pushgateway", *arguments])
        try:
            self._wait()
        except BaseException:
            self._child.stop()
            raise
        self._tell_labs()
        atexit.register(self.stop)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child.alive

    def push(self, registry: Collector, job: str, **grouping: str) -> None:
        """Replace a group's metrics with those of a registry."""
        from prometheus_client import push_to_gateway

        push_to_gateway(self.url, job=job, registry=registry, grouping_key=grouping)

    def groups(self) -> list[dict[str, Any]]:
        """What was pushed: labels and metrics of each group, as the API gives them."""
        import httpx

        answer = httpx.get(f"{self.url}/api/v1/metrics").raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def logs(self, n: int = 50) -> Any:
        """The last lines that it wrote."""
        from promlab.lab.card import LogLines

        return LogLines(self._child.lines(n))

    def stop(self) -> None:
        """End it; groups without a file end with it."""
        for path in self._target_files():
            with contextlib.suppress(OSError):
                path.unlink()
        self._child.stop()
        atexit.unregister(self.stop)
        if _running.get(self.name) is self:
            del _running[self.name]

    def __enter__(self) -> Pushgateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.alive else "stopped"
        return f"<pushgateway at {self.url}, {state}>"

    def _repr_html_(self) -> str:
        from html import escape

        from promlab.lab.card import browser_url

        link = escape(browser_url(self.url), quote=True)
        return (
            f'Pushgateway at <a href="{link}" target="_blank" rel="noopener">{escape(self.url)}</a>'
        )

    def _wait(self) -> None:
        import httpx

        end = time.monotonic() + _READY_S
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/-/ready", timeout=2.0).status_code == 200:
                    return
            if self._child.wait(_POLL_S):
                last = next((line for line in reversed(self._child.lines(5)) if line.strip()), "")
                if "already in use" in last:
                    raise AddressInUse(self.address)
                raise NotRunning(f"the gateway has ended: {last or 'it said nothing'}")
        raise NotReady(f"the gateway at {self.url} is not ready after {_READY_S:g} s")

    def _target_files(self) -> list[Path]:
        from promlab.lab.session import all_running

        folders = [lab.targets_path for lab in all_running() if lab.targets_path is not None]
        return [folder / f"{self._child.pid}.gateway.yml" for folder in folders]

    def _tell_labs(self) -> None:
        for path in self._target_files():
            add_target(path, self.address)


def add_target(path: Path, address: str) -> None:
    """Write down a gateway as a target of the lab that watches this folder. YAML takes JSON."""
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps([{"targets": [address]}]), encoding="utf-8")
    aside.replace(path)


def add_to(folder: Path) -> None:
    """Make all gateways that run targets of a lab that starts with this folder."""
    with _starting:
        for one in _running.values():
            if one.alive:
                add_target(folder / f"{one._child.pid}.gateway.yml", one.address)

"""`promlab.lab.alertmanager()`: an Alertmanager of one's own, beside the notebook's kernel.

A process that ends with the kernel. Without a configuration every notification comes to an
inbox in the notebook. Prometheus is told of it by its address, under `alerting`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promlab.errors import AddressInUse, ClientError, ConfigError, NotReady, NotRunning
from promlab.lab import setup
from promlab.lab.children import Child

if TYPE_CHECKING:
    from promlab.lab.inbox import Inbox
    from promlab.lab.routing_picture import RoutePicture

_READY_S = 60.0
_POLL_S = 0.05
_running: dict[str, LabAlertmanager] = {}
_starting = threading.RLock()

_DEFAULT = """\
# The configuration of promlab.lab.alertmanager(): everything comes to the notebook, soon.
route:
  receiver: notebook
  group_by: [alertname]
  group_wait: 1s
  group_interval: 5s
  repeat_interval: 1h
receivers:
  - name: notebook
    webhook_configs:
      - url: "{inbox}"
"""


def alertmanager(
    config: setup.Config = None,
    *,
    port: int = 0,
    data: str | os.PathLike[str] | None = None,
    name: str = "default",
    flags: tuple[str, ...] = (),
) -> LabAlertmanager:
    """Start an Alertmanager, or give the one of this name that runs already.

    `config` is None (notifications come to `.inbox`), a path, YAML text or a dict. `port` 0
    takes any free port of the loopback interface. `data` is where silences survive. `flags` go
    to `promlab alertmanager` as they are. Raises ConfigError, AddressInUse, NotRunning.
    """
    with _starting:
        found = _running.get(name)
        if found is not None and found.alive:
            return found
        made = LabAlertmanager(config, name, setup.choose_port(port), data, flags)
        _running[name] = made
        return made


class LabAlertmanager:
    """An Alertmanager that this interpreter started. Leaving its `with` block stops it."""

    def __init__(
        self,
        config: setup.Config,
        name: str,
        port: int,
        data: str | os.PathLike[str] | None,
        flags: tuple[str, ...],
    ) -> None:
        self.name, self.address = name, f"{setup.LOOPBACK}:{port}"
        self.url = f"http://{self.address}"
        self._inbox: Inbox | None = None
        self._folder = setup.temporary_folder()
        self._given: Path | None = None
        self._write(config)
        storage = self._folder / "data" if data is None else Path(data).expanduser().absolute()
        arguments = [
            "alertmanager",
            f"--config.file={self.config_path}",
            f"--storage.path={storage}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
            *flags,
        ]
        self._child = Child(arguments)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        atexit.register(self.stop)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child.alive

    @property
    def config_path(self) -> Path:
        """The file that it reads its configuration from."""
        return self._given or self._folder / "alertmanager.yml"

    @property
    def inbox(self) -> Inbox:
        """What was notified, where no configuration was given."""
        if self._inbox is None:
            raise NotRunning("notifications go where the configuration says, not to an inbox")
        return self._inbox

    def apply(self, config: setup.Config) -> LabAlertmanager:
        """Work by another configuration from now on. Raises ConfigError; then the old one stays."""
        before = self.config_path.read_bytes() if self._given is None else None
        self._write(config)
        try:
            return self.reload()
        except ConfigError:
            if before is not None and self._given is None:
                self.config_path.write_bytes(before)
            raise

    def reload(self) -> LabAlertmanager:
        """Let it read its file again. Raises ConfigError."""
        answer = self._http("POST", "/-/reload")
        if answer.status_code != 200:
            raise ConfigError(answer.text.strip().removeprefix("failed to reload config: "))
        return self

    def alerts(self, *matchers: str) -> list[dict[str, Any]]:
        """Alerts that it knows and that match, as its API gives them."""
        return self._get("alerts", filter=list(matchers))

    def silences(self) -> list[dict[str, Any]]:
        """All silences, as the API gives them."""
        return self._get("silences")

    def add_alert(
        self, alertname: str, annotations: Mapping[str, str] | None = None, **labels: str
    ) -> None:
        """Report an alert, as Prometheus would: it fires until it is not reported any more."""
        body = [{"labels": {"alertname": alertname, **labels}, "annotations": annotations or {}}]
        self._json("POST", "/api/v2/alerts", body)

    def silence(
        self, *matchers: str, hours: float = 2.0, comment: str = "", by: str = "notebook"
    ) -> str:
        """Silence alerts that match all of `matchers`, such as 'job="node"'; returns its id."""
        from promlab.alertmanager.matcher_syntax import MatcherSyntaxError
        from promlab.alertmanager.matchers import parse_one

        try:
            found = [parse_one(text) for text in matchers]
        except MatcherSyntaxError as error:
            raise ConfigError(f"matcher: {error}") from None
        now = datetime.now(UTC)
        body = {
            "matchers": [
                {
                    "name": matcher.name,
                    "value": matcher.value,
                    "isRegex": matcher.type.value.endswith("~"),
                    "isEqual": matcher.type.value.startswith("="),
                }
                for matcher in found
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=hours)).isoformat(),
            "createdBy": by,
            "comment": comment,
        }
        made: str = self._json("POST", "/api/v2/silences", body)["silenceID"]
        return made

    def expire(self, silence_id: str) -> None:
        """End a silence."""
        self._json("DELETE", f"/api/v2/silence/{silence_id}")

    def route(self, labels: Mapping[str, str]) -> RoutePicture:
        """The routing tree, with the way of an alert with these labels lit."""
        from promlab.alertmanager.config import load
        from promlab.lab.routing_picture import RoutePicture

        return RoutePicture(load(self.config_path), labels)

    def logs(self, n: int = 50) -> Any:
        """The last lines that it wrote."""
        from promlab.lab.card import LogLines

        return LogLines(self._child.lines(n))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, SIGHUP for instance."""
        self._child.signal(number)

    def stop(self) -> None:
        """End it."""
        self._child.stop()
        if self._inbox is not None:
            self._inbox.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.stop)
        if _running.get(self.name) is self:
            del _running[self.name]

    def __enter__(self) -> LabAlertmanager:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.alive else "stopped"
        return f"<alertmanager at {self.url}, {state}>"

    def _repr_html_(self) -> str:
        from html import escape

        from promlab.lab.card import browser_url

        link = escape(browser_url(self.url), quote=True)
        shown = escape(self.url)
        return f'Alertmanager at <a href="{link}" target="_blank" rel="noopener">{shown}</a>'

    def _write(self, config: setup.Config) -> None:
        if config is None:
            if self._inbox is None:
                from promlab.lab.inbox import Inbox

                self._inbox = Inbox()
            text = _DEFAULT.format(inbox=self._inbox.url)
            source = setup.ConfigSource(None, text)
        else:
            source = setup.read_config(config)
        self._given = source.path
        if source.path is None:
            self.config_path.write_text(source.text, encoding="utf-8")

    def _http(self, method: str, path: str, **more: Any) -> Any:
        import httpx

        try:
            return httpx.request(method, self.url + path, timeout=10.0, **more)
        except httpx.HTTPError as error:
            raise NotRunning(f"the Alertmanager at {self.url} does not answer: {error}") from None

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http(method, path, **({} if body is None else {"json": body}))
        if answer.status_code >= 400:
            try:
                said = answer.json()
            except ValueError:
                said = answer.text
            message = said.get("message", "") if isinstance(said, dict) else str(said)
            raise ClientError(message or f"status {answer.status_code}", status=answer.status_code)
        return answer.json() if answer.content else None

    def _get(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = self._http("GET", f"/api/v2/{path}", params=params)
        if answer.status_code != 200:
            raise ClientError(str(answer.json()), status=answer.status_code)
        found: list[dict[str, Any]] = answer.json()
        return found

    def _wait(self) -> None:
        end = time.monotonic() + _READY_S
        ask = partial(self._http, "GET", "/-/ready")
        while time.monotonic() < end:
            with contextlib.suppress(NotRunning):
                if ask().status_code == 200:
                    return
            if self._child.wait(_POLL_S):
                last = next((line for line in reversed(self._child.lines(5)) if line.strip()), "")
                said = last.removeprefix("promlab: error: ")
                if "already in use" in last:
                    raise AddressInUse(self.address)
                if str(self.config_path) in last:
                    raise ConfigError(said)
                raise NotRunning(f"the Alertmanager has ended: {said or 'it said nothing'}")
        raise NotReady(f"the Alertmanager at {self.url} is not ready after {_READY_S:g} s")


def running(name: str = "default") -> LabAlertmanager | None:
    """The one of this name, if it runs."""
    found = _running.get(name)
    return found if found is not None and found.alive else None

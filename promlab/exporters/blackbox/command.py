"""`promlab exporter blackbox`: flags and routes."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec

from promlab.errors import ConfigError, PromlabError
from promlab.exporters.blackbox import modules
from promlab.exporters.blackbox.modules import DEFAULT, Module
from promlab.exporters.blackbox.probe import Probe, duration
from promlab.exporters.families import Family, counter, gauge, render
from promlab.exporters.probing import reload_route, timeout_s
from promlab.exporters.served import Flags, Served
from promlab.exporters.serving import Answer, Request, metrics_answer

logger = logging.getLogger(__name__)

PORT = 9115
FLAGS: Flags = {
    "config.file": ("", "file of modules; without it there is http_2xx alone"),
    "config.check": (False, "check the file, and end"),
    "timeout-offset": (0.5, "seconds that a probe ends before its scrape does (0.5)"),
    "history.limit": (100, "number of probes to remember (100)"),
}
DEFAULT_MODULE = "http_2xx"
_SECRETS = ("password", "bearer_token", "client_secret")


def make(flags: Mapping[str, Any]) -> Served:
    """The exporter by its flags. Raises ConfigError."""
    exporter = BlackboxExporter(
        flags["config.file"], flags["timeout-offset"], flags["history.limit"]
    )
    if flags["config.check"]:
        raise SystemExit(0)
    routes = {
        "/probe": exporter.probe,
        "/config": exporter.config,
        "/logs": exporter.history,
        "/-/reload": reload_route(exporter.reload),
    }
    links = {"Configuration": "/config", "Recent probes": "/logs"}
    return Served("Blackbox exporter", lambda _: exporter.collect(), routes, links, exporter.reload)


class BlackboxExporter:
    """Probes when it is asked to."""

    def __init__(self, path: str = "", offset_s: float = 0.5, history: int = 100) -> None:
        self._path, self._offset_s = path, offset_s
        self._modules: dict[str, Module] = {}
        self._history: deque[tuple[str, str, bool, list[str]]] = deque(maxlen=max(0, history))
        self._unknown = 0
        self._loaded_s, self._loaded_well = 0.0, False
        self._lock = threading.Lock()
        self.reload()

    def reload(self) -> None:
        """Read the file again. Raises ConfigError; the modules then stay as they were."""
        self._loaded_well = False
        found = modules.load(self._path) if self._path else {DEFAULT_MODULE: DEFAULT}
        self._modules, self._loaded_well, self._loaded_s = found, True, time.time()

    def probe(self, request: Request) -> Answer:
        """`/probe?target=…&module=…`."""
        name = request.first("module", DEFAULT_MODULE)
        module, target = self._modules.get(name), request.first("target")
        if module is None:
            with self._lock:
                self._unknown += 1
            return Answer(400, f"Unknown module {name!r}\n".encode())
        if len(request.parameters.get("target", ())) != 1 or not target:
            return Answer(400, b"Target parameter is missing, or comes twice\n")
        allowed_s = timeout_s(request, module.timeout_s, self._offset_s)
        probe, good = self._run(target, name, module, allowed_s)
        took = time.perf_counter() - probe.started
        success = gauge("probe_success", "Whether the probe succeeded.", float(good))
        found = [*probe.families(), success, duration(took)]
        if request.first("debug") == "true":
            return Answer(200, _debug(probe, module, found))
        return metrics_answer(request, found)

    def _run(self, target: str, name: str, module: Module, timeout_s: float) -> tuple[Probe, bool]:
        prober = import_module(f"promlab.exporters.blackbox.{module.prober}_prober")
        probe = Probe(timeout_s)
        probe.log(f"probing {target!r} with {name}, for {timeout_s:g} s at most")
        try:
            prober.run(target, module, probe)
            good = True
            probe.log("the probe succeeded")
        except ConfigError:
            raise
        except PromlabError as error:
            good = False
            probe.log(f"the probe failed: {error}")
        self._history.append((name, target, good, probe.lines))
        return probe, good

    def config(self, _: Request) -> Answer:
        """The modules as they are, without secrets."""
        import yaml

        shown = _without_secrets(msgspec.to_builtins(self._modules))
        return Answer(200, yaml.safe_dump({"modules": shown}, sort_keys=False).encode())

    def history(self, request: Request) -> Answer:
        """The latest probes and what they said; `?id=` shows one."""
        lines = []
        for name, target, good, said in reversed(list(self._history)):
            lines.append(f"{'success' if good else 'failure'} {name} {target!r}")
            lines += [f"    {line}" for line in said]
        return Answer(200, "\n".join([*lines, ""]).encode("utf-8", "replace"))

    def collect(self) -> list[Family]:
        """Metrics of the exporter itself."""
        prefix = "blackbox_exporter_config_last_reload"
        return [
            gauge(f"{prefix}_successful", "Whether the file was read.", float(self._loaded_well)),
            gauge(f"{prefix}_success_timestamp_seconds", "When it was read.", self._loaded_s),
            counter("blackbox_module_unknown_total", "Probes of unknown modules.", self._unknown),
        ]


def _debug(probe: Probe, module: Module, found: list[Family]) -> bytes:
    shown = _without_secrets(msgspec.to_builtins(module))
    parts = [
        "Logs for the probe:",
        *probe.lines,
        "",
        "Metrics that would have been returned:",
        render(found).decode(),
        "",
        "Module configuration:",
        msgspec.json.format(msgspec.json.encode(shown)).decode(),
        "",
    ]
    return "\n".join(parts).encode("utf-8", "replace")


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "<secret>" if key in _SECRETS and part else _without_secrets(part)
            for key, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(part) for part in value]
    return value

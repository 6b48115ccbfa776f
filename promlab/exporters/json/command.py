"""`promlab exporter json`: `/probe?target=http://…&module=…`, by a file of modules.

modules:
  default:
    metrics:
      - {name: shop_orders, path: "{.orders.open}", labels: {shop: "{.name}"}}
      - name: shop_desk
        type: object
        path: '{.desks[?(@.state == "OPEN")]}'
        labels: {desk: "{.id}"}
        values: {customers: "{.customers}", open: 1}
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from promlab.errors import ScrapeError
from promlab.exporters.families import Family, counter
from promlab.exporters.json.documents import fetch
from promlab.exporters.json.metrics import Reading
from promlab.exporters.json.modules import Module, load
from promlab.exporters.own_process import OwnProcess
from promlab.exporters.probing import reload_route, timeout_s
from promlab.exporters.served import Flags, Served
from promlab.exporters.serving import Answer, Request, metrics_answer

logger = logging.getLogger(__name__)

PORT = 7979
FLAGS: Flags = {
    "config.file": ("config.yml", "file of modules (config.yml)"),
    "config.check": (False, "check the file, and end"),
}
DEFAULT_MODULE = "default"


def make(flags: Mapping[str, Any]) -> Served:
    """The exporter by its flags. Raises ConfigError."""
    exporter = JSONExporter(flags["config.file"])
    if flags["config.check"]:
        raise SystemExit(0)
    routes = {"/probe": exporter.probe, "/-/reload": reload_route(exporter.reload)}
    return Served("JSON exporter", lambda _: exporter.collect(), routes, {}, exporter.reload)


class JSONExporter:
    """Asks a target for its document when it is asked for the target's metrics."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._modules: Mapping[str, Module] = {}
        self._own, self._lock = OwnProcess(), threading.Lock()
        self._probes = self._failed = self._left_out = 0
        self.reload()

    def reload(self) -> None:
        """Read the file again. Raises ConfigError; the modules then stay as they were."""
        self._modules = load(self._path)

    def probe(self, request: Request) -> Answer:
        """`/probe?target=…&module=…`."""
        name = request.first("module", DEFAULT_MODULE)
        module, target = self._modules.get(name), request.first("target")
        if module is None:
            return Answer(400, f"Unknown module {name!r}\n".encode("utf-8", "replace"))
        if len(request.parameters.get("target", ())) != 1 or not target:
            return Answer(400, b"Target parameter is missing, or comes twice\n")
        reading, reason = None, ""
        try:
            reading = Reading(fetch(target, module, timeout_s(request)))
            found = reading.families(module.metrics)
        except ScrapeError as error:
            reason = f"{target}: {error}"
            logger.error("%s", reason)
        with self._lock:
            self._probes += 1
            self._failed += bool(reason)
            self._left_out += reading.left_out if reading else 0
        if reason:
            message = f"Failed to fetch JSON response: {reason}\n"
            return Answer(503, message.encode("utf-8", "replace"))
        return metrics_answer(request, found)

    def collect(self) -> list[Family]:
        """Metrics of the exporter itself."""
        with self._lock:
            return [
                counter("json_exporter_probes_total", "Targets asked.", self._probes),
                counter("json_exporter_failures_total", "Targets that failed.", self._failed),
                counter(
                    "json_exporter_values_left_out_total",
                    "Values that are no number, or have the labels of another.",
                    self._left_out,
                ),
                *self._own.families(),
            ]

"""Everything that loading adds to a shell, and that unloading takes back."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable
from typing import Any

from promlab.magics import altair
from promlab.magics.completion import Completer
from promlab.magics.connection import Cache, Connection
from promlab.magics.inspection import Inspector
from promlab.magics.kernel_hooks import KernelHook
from promlab.magics.prometheus_magic import PrometheusMagic
from promlab.magics.promlab_magic import PromlabMagic
from promlab.magics.promql_magic import PromQLMagic
from promlab.magics.ssh_magic import SshMagic

_SLOW = ("promlab.client.frames", "polars", "httpx", "msgspec", "promlab.widgets.feed")
_MAGICS = (
    ("line", "promql"),
    ("cell", "promql"),
    ("line", "promlab"),
    ("cell", "prometheus"),
    ("cell", "ssh"),
)


class Extension:
    """The magics, completion and help of one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.connection, self.cache = Connection(), Cache()
        shell.register_magics(
            PromQLMagic(shell, self.connection, self.cache),
            PromlabMagic(shell, self.connection, self.cache),
            PrometheusMagic(shell),
            SshMagic(shell),
        )
        self.completer = Completer(self.connection, self.cache)
        self.completer.install(shell)
        self.inspector = Inspector(self.connection, self.cache)
        self.inspector.install(shell)
        self._shutdown: KernelHook | None = None
        if hasattr(shell, "kernel"):
            altair.show_offline(shell)
            self._shutdown = KernelHook(shell.kernel, "do_shutdown", _with_pictures)
            threading.Thread(target=_warm, name="promlab-warm", daemon=True).start()

    def unload(self) -> None:
        """Take everything back; a lab that runs goes on."""
        self.completer.remove(self.shell)
        self.inspector.remove()
        if self._shutdown is not None:
            self._shutdown.remove()
            altair.show_as_usual(self.shell)
        manager = self.shell.magics_manager
        for kind, name in _MAGICS:
            manager.magics[kind].pop(name, None)
        for kind in ("PromQLMagic", "PromlabMagic", "PrometheusMagic", "SshMagic"):
            manager.registry.pop(kind, None)
        self.connection.close()


def _with_pictures(below: Callable[..., Any]) -> Callable[..., Any]:
    """When the kernel is told to end, its live graphs become pictures first."""

    def do_shutdown(restart: bool) -> Any:
        from promlab.magics.show import leave_pictures

        leave_pictures()
        return below(restart)

    return do_shutdown


def _warm() -> None:
    """Load what the first query and the first graph need while the reader still types."""
    with contextlib.suppress(ImportError):
        for name in _SLOW:
            importlib.import_module(name)
        from promlab.client.charts import line_spec, svg
        from promlab.widgets import vega

        vega.prepare()
        svg({**line_spec("", ""), "data": {"name": "samples", "values": []}})

"""A place for notifications to arrive: a web server on the loopback interface that keeps them.

inbox = promlab.lab.inbox.open()
inbox.url            # what a webhook receiver is given
inbox.wait()         # the first notification, as a dict
"""

from __future__ import annotations

import atexit
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from promlab.errors import NotReady

_KEPT = 1_000
_MAX_BYTES = 4 << 20


class Inbox:
    """What came, oldest first. A context manager: leaving the block closes it."""

    def __init__(self) -> None:
        self.messages: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._came = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._take))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, name="inbox", daemon=True).start()
        atexit.register(self.close)

    def wait(
        self, timeout_s: float = 60.0, where: Callable[[dict[str, Any]], bool] | None = None
    ) -> dict[str, Any]:
        """The first message that `where` accepts, any by default. Raises NotReady in vain."""
        end = time.monotonic() + timeout_s
        with self._came:
            while True:
                for message in self.messages:
                    if where is None or where(message):
                        return message
                if not self._came.wait(max(0.0, end - time.monotonic())):
                    raise NotReady(f"no notification came within {timeout_s:g} s")

    def close(self) -> None:
        """Take nothing more."""
        self._server.shutdown()
        self._server.server_close()
        atexit.unregister(self.close)

    def _take(self, message: dict[str, Any]) -> None:
        with self._came:
            self.messages.append(message)
            self._came.notify_all()

    def __enter__(self) -> Inbox:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _rows(self) -> list[tuple[str, str, str]]:
        return [
            (
                str(alert.get("status", "")),
                str(alert.get("labels", {}).get("alertname", "")),
                str(alert.get("annotations", {}).get("summary", "")),
            )
            for message in self.messages
            for alert in message.get("alerts", ())
        ]

    def __repr__(self) -> str:
        lines = [f"inbox at {self.url}: {len(self.messages)} notifications"]
        return "\n".join([*lines, *("  ".join(row).rstrip() for row in self._rows())])

    def _repr_html_(self) -> str:
        head = "<tr><th scope='col'>status</th><th scope='col'>alert</th><th>summary</th></tr>"
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        caption = f"<caption>{len(self.messages)} notifications</caption>"
        return f"<table>{caption}<thead>{head}</thead><tbody>{rows}</tbody></table>"


def open() -> Inbox:
    """A new inbox, on a free port."""
    return Inbox()


def _handler(take: Callable[[dict[str, Any]], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Keep one notification."""
            try:
                size = int(self.headers.get("Content-Length", "0"))
                message = json.loads(self.rfile.read(size)) if 0 < size <= _MAX_BYTES else None
            except ValueError:
                message = None
            if isinstance(message, dict):
                take(message)
            self.send_response(200 if isinstance(message, dict) else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing: standard error is the cell's."""

    return Handler

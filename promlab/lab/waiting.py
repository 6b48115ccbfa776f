"""`wait_for`: ask until there is an answer. What is measured just now is scraped a moment later."""

from __future__ import annotations

import threading
import time
from typing import Any

from promlab.errors import NotReady

_PAUSE_S = 0.2


def wait_for(lab: Any, expr: str, timeout_s: float = 30.0) -> Any:
    """The first answer to `expr` that is not empty; `lab` is what has a client's `query`.

    Raises NotReady when the time is up, and PromQLError for a query that can't be evaluated.
    """
    end, pause = time.monotonic() + timeout_s, threading.Event()
    while not len(found := lab.query(expr)):
        if time.monotonic() >= end:
            raise NotReady(f"no answer to {expr} within {timeout_s:g} s: {found.why_empty}")
        pause.wait(_PAUSE_S)
    return found

"""Waiting for what other processes do: asked again and again, with patience for slow machines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import psutil

from promlab.errors import PromlabError

T = TypeVar("T")
PATIENCE_S = 400.0  # the first start of all compiles the kernels
# What a program that is still starting answers: nothing, an error, "Service Unavailable" where
# JSON is to come, or JSON of an error without the data.
NOT_YET = (
    httpx.HTTPError,
    psutil.NoSuchProcess,
    OSError,
    ValueError,
    LookupError,
    PromlabError,
)
_pause = threading.Event()


def until(ask: Callable[[], T], what: str = "") -> T:
    """The first true answer; asks again and again. Fails after long patience.

    Answers that can't be read are no answers yet; a failing assertion is one, and final.
    """
    end = time.monotonic() + PATIENCE_S
    last: object = None
    while time.monotonic() < end:
        try:
            last = found = ask()
        except NOT_YET as error:
            last = repr(error)
        else:
            if found:
                return found
        _pause.wait(0.02)
    raise AssertionError(f"never came: {what or ask}; the last answer was {last!r:.2000}")

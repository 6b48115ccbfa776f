"""The line that says how far a lab's start is.

In a notebook it is one output, replaced as the server gets on; that works from a thread while
the cell goes on. In a terminal it is one printed line.
"""

from __future__ import annotations

import sys
import threading
import time
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promlab.lab.session import Lab

_EVERY_S = 1.0
_GIVE_UP_S = 300.0


def show_start(lab: Lab) -> None:
    """Show that `lab` starts, and later that it is ready or what it died of."""
    shell = _notebook_shell()
    if shell is None:
        print(f"promlab: starting at {lab.url}", file=sys.stderr)
        return
    from IPython.display import display

    handle = display(_bundle(_line(lab)), raw=True, display_id=True)
    threading.Thread(target=_follow, args=(lab, handle), name="promlab-start", daemon=True).start()


def _notebook_shell() -> Any:
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell if shell is not None and hasattr(shell, "kernel") else None


def _follow(lab: Lab, handle: Any) -> None:
    end = time.monotonic() + _GIVE_UP_S
    while time.monotonic() < end:
        settled = lab._became_ready.wait(_EVERY_S) or not lab.alive
        handle.update(_bundle(_line(lab)), raw=True)
        if settled:
            return


def _line(lab: Lab) -> str:
    failure = lab.failure()
    if failure is not None:
        return f"promlab: {failure}"
    if lab.is_ready:
        return f"promlab is ready at {lab.url} after {lab.ready_after_s or 0:.1f} s"
    waited = time.monotonic() - lab.started
    slow = " (the first start on a machine compiles kernels: about a minute)" if waited > 3 else ""
    return f"promlab is starting at {lab.url}: {waited:.0f} s{slow}"


def _bundle(line: str) -> dict[str, str]:
    shown = f'<div role="status" aria-live="polite">{escape(line)}</div>'
    return {"text/plain": line, "text/html": shown}

"""/debug/pprof/*: what the server's processes are at, as promtool and pprof ask for it.

There is no Go here: `goroutine` are threads and tasks, `heap` is memory by mapping (by line where
Python traces allocations, PYTHONTRACEMALLOC=1), nothing ever waits in `block` and `mutex`, and
an execution `trace` is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import math
import os
import sys
import threading
import time
from typing import Any

import psutil

from promlab.errors import NotReady, ServerError
from promlab.server import profiling
from promlab.server.context import Context
from promlab.server.elsewhere import redirect
from promlab.server.pprof_format import Profile, StackCount, as_text, encode
from promlab.server.process import off_loop
from promlab.web.http import HTML, Request, Response, text

_PLAIN = "text/plain; charset=utf-8"
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_DEFAULT_S = 30.0
_NO_TRACE = "Python has no execution traces: ask for /debug/pprof/profile or fgprof\n"
_CPU = [("samples", "count"), ("cpu", "nanoseconds")]
_WALL = [("samples", "count"), ("time", "nanoseconds")]
_SPACE = [("inuse_objects", "count"), ("inuse_space", "bytes")]
_WAITS = [("contentions", "count"), ("delay", "nanoseconds")]
_ABOUT = {
    "allocs": "The same as heap: allocations of the past are not kept.",
    "block": "Empty: nothing is measured where threads wait.",
    "cmdline": "The command line of this process.",
    "fgprof": "Where all threads stand, running or not; ?seconds= says for how long.",
    "goroutine": "Stacks of all threads and tasks; ?debug=1 for people.",
    "heap": "Resident memory by mapping; by line where Python runs with PYTHONTRACEMALLOC=1.",
    "mutex": "Empty: nothing is measured where threads wait.",
    "profile": "CPU profile; ?seconds= says for how long.",
    "symbol": "Names are in the profiles already.",
    "threadcreate": "All threads.",
    "trace": "Refused: Python has no execution traces.",
}
_sampling = threading.Lock()


async def to_index(context: Context, request: Request) -> Response:
    """The page of all profiles has a slash at its end."""
    where = f"{context.settings.route_prefix.rstrip('/')}/debug/pprof/"
    return redirect(request, where, 301)


async def pprof(context: Context, request: Request) -> Response:
    """Answer one request."""
    name = request.path_args.get("name", "")
    if not name:
        return _index()
    match name:
        case "cmdline":
            command = "\0".join(await asyncio.to_thread(_command))
            return text(command, X_Content_Type_Options="nosniff")
        case "symbol":
            return text("num_symbols: 1\n")
        case "trace":
            return text(_NO_TRACE, 501)
        case "profile" | "fgprof":
            return await _sampled(context, request, wall=name == "fgprof")
    profile = await _looked(context, name)
    if profile is None:
        return text("Unknown profile\n", 404)
    debug = (await request.param("debug")) not in ("", "0")
    if debug:
        values = ", ".join(f"{kind}/{unit}" for kind, unit in profile.kinds)
        title = f"{name} profile: total {len(profile.counts)}: {values}\n"
        return Response(
            body=as_text(title, profile.counts).encode(), content_type=_PLAIN, headers=[_NOSNIFF]
        )
    return await _file(name, profile)


async def _file(name: str, profile: Profile) -> Response:
    disposition = f'attachment; filename="{name}"'.encode()
    return Response(
        body=await asyncio.to_thread(encode, profile),
        content_type="application/octet-stream",
        headers=[_NOSNIFF, (b"content-disposition", disposition)],
    )


async def _looked(context: Context, name: str) -> Profile | None:
    """Profiles of one moment; None for a name that there is none of."""
    now_ns = time.time_ns()
    match name:
        case "goroutine":
            counts = await asyncio.to_thread(profiling.thread_stacks, "reader")
            counts += profiling.task_stacks("reader")
            counts += await _of_writer(context, "stacks", None)
            return Profile([("goroutine", "count")], counts, now_ns)
        case "threadcreate":
            counts = await asyncio.to_thread(profiling.thread_stacks, "reader")
            return Profile([("threadcreate", "count")], counts, now_ns)
        case "heap" | "allocs":
            return Profile(_SPACE, await asyncio.to_thread(_memory), now_ns)
        case "block" | "mutex":
            return Profile(_WAITS, [], now_ns)
    return None


async def _sampled(context: Context, request: Request, *, wall: bool) -> Response:
    """Both processes for some seconds, at once; one profile at a time."""
    seconds = _seconds(await request.param("seconds"))
    if not _sampling.acquire(blocking=False):
        return text("Could not enable CPU profiling: cpu profiling already in use\n", 500)
    try:
        sampler, started_ns = profiling.Sampler("reader", wall=wall), time.time_ns()
        gone = asyncio.ensure_future(request.gone())
        gone.add_done_callback(lambda _: sampler.stop())
        await _of_writer(context, "profile_begin", [seconds, wall])
        counts = await off_loop(sampler.run, seconds)
        counts += await _of_writer(context, "profile_end", None)
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
    finally:
        _sampling.release()
    took_ns = time.time_ns() - started_ns
    period = 1_000_000_000 // profiling.HZ
    profile = Profile(_WALL if wall else _CPU, counts, started_ns, took_ns, period)
    return await _file("fgprof" if wall else "profile", profile)


def _seconds(given: str) -> float:
    """As many as are asked for; anything odd is the default."""
    try:
        seconds = float(given)
    except ValueError:
        return _DEFAULT_S
    return seconds if 0 < seconds < math.inf else _DEFAULT_S


async def _of_writer(context: Context, kind: str, body: Any) -> list[StackCount]:
    """What the writer says; nothing while it is being started again."""
    try:
        return profiling.from_plain(await context.writer.ask(kind, body))
    except (NotReady, ServerError):
        return []


def _supervisor() -> psutil.Process | None:
    """What started this process; None where that is not promlab."""
    parent = psutil.Process().parent()
    found = parent is not None and any("promlab" in part for part in parent.cmdline())
    return parent if found else None


def _command() -> list[str]:
    with contextlib.suppress(psutil.Error):
        supervisor = _supervisor()
        if supervisor is not None:
            return supervisor.cmdline()
    return sys.orig_argv


def _memory() -> list[StackCount]:
    """Of all processes of this server."""
    found = profiling.memory("reader", os.getpid())
    with contextlib.suppress(psutil.Error):
        supervisor = _supervisor()
        if supervisor is not None:
            found += profiling.memory("supervisor", supervisor.pid)
            for child in supervisor.children():
                if "promlab.server.writer" in child.cmdline():
                    found += profiling.memory("writer", child.pid)
    return found


def _index() -> Response:
    rows = "".join(
        f'<tr><td><a href="{name}?debug=1">{name}</a></td><td>{html.escape(about)}</td></tr>'
        for name, about in _ABOUT.items()
    )
    page = (
        f"<html><head><title>/debug/pprof/</title></head><body><table>{rows}</table></body></html>"
    )
    return Response(body=page.encode(), content_type=HTML, headers=[_NOSNIFF])

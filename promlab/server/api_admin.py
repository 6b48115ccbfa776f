"""/-/healthy, /-/ready, /-/reload, /-/quit: for whoever runs the server."""

from __future__ import annotations

import os
import signal

from promlab.errors import NotReady, PromlabError
from promlab.server.context import Context
from promlab.web.http import TEXT, Request, Response, text


async def healthy(context: Context, _request: Request) -> Response:
    """This process is alive."""
    return text(f"Prometheus {_kind(context)} is Healthy.\n")


async def ready(context: Context, _request: Request) -> Response:
    """Queries can be answered."""
    if not context.is_ready:
        raise NotReady("the server has not finished starting")
    return text(f"Prometheus {_kind(context)} is Ready.\n")


def _kind(context: Context) -> str:
    return "Agent" if context.settings.agent else "Server"


async def reload(context: Context, request: Request) -> Response:
    """Read the configuration again."""
    refused = _refused(context, request)
    if refused is not None:
        return refused
    try:
        await context.writer.ask("reload")
        await context.following.refresh()
    except PromlabError as error:
        message = str(error).partition(": ")[2] or str(error)
        return text(f"failed to reload config: {message}\n", 500)
    return text("")


async def quit_(context: Context, request: Request) -> Response:
    """Stop the server."""
    refused = _refused(context, request)
    if refused is not None:
        return refused
    os.kill(os.getppid(), signal.SIGTERM)
    return text("Requesting termination... Goodbye!")


def _refused(context: Context, request: Request) -> Response | None:
    if request.method not in ("POST", "PUT"):
        return Response(405, b"Only POST or PUT requests allowed", TEXT)
    if not context.settings.enable_lifecycle:
        return Response(403, b"Lifecycle API is not enabled.", TEXT)
    return None

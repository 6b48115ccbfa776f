"""/api/v1/notifications and /notifications/live."""

from __future__ import annotations

from promlab.server.context import Context
from promlab.server.envelope import success
from promlab.web.http import Request, Response


async def notifications(context: Context, _request: Request) -> Response:
    """What every user should know about this server now."""
    return success(context.notifications.active())


async def live(context: Context, _request: Request) -> Response:
    """The same as server-sent events, each change as it comes."""
    events = context.notifications.subscribe()
    if events is None:
        return Response(204, content_type="")
    headers = [(b"cache-control", b"no-cache")]
    return Response(body=events, content_type="text/event-stream", headers=headers)

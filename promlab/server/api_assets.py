"""/user/*: files of the folder that --web.user-assets names, and nothing outside of it."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
from pathlib import Path

from promlab.server.context import Context
from promlab.web.http import Request, Response, not_found

_MAX_BYTES = 64 << 20


async def user_asset(context: Context, request: Request) -> Response:
    """A file; folders are not listed, links lead nowhere outside."""
    folder, path = context.settings.user_assets, request.path_args["path"]
    body = await asyncio.to_thread(read_below, folder, path)
    if body is None:
        return not_found()
    kind, encoding = mimetypes.guess_type(path)
    content_type = kind if kind and not encoding else "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    headers = [(b"x-content-type-options", b"nosniff")]
    return Response(body=body, content_type=content_type, headers=headers)


def read_below(folder: str, path: str, limit: int = _MAX_BYTES) -> bytes | None:
    """The bytes of a file below a folder; None if there is none, or of more than `limit` bytes."""
    if not folder or "\0" in path:
        return None
    root = Path(folder).resolve()
    try:
        found = (root / path.lstrip("/")).resolve()
        if not found.is_relative_to(root):
            return None
        # Opened first and looked at then: nobody can put a pipe there in between.
        descriptor = os.open(found, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode) or state.st_size > limit:
                return None
            return file.read(limit)
    except (OSError, ValueError, RuntimeError):
        return None

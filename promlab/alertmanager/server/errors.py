"""Answers that are errors, in the two shapes that clients of an Alertmanager know.

What does not fit the API's schema is `{"code": …, "message": …}`; what the Alertmanager itself
refuses is a JSON text.
"""

from __future__ import annotations

import msgspec

from promlab.errors import PromlabError
from promlab.web.http import JSON, Response


class ApiError(PromlabError):
    """A request that gets an error as answer."""

    def __init__(self, message: str, status: int = 400, *, code: int = 0) -> None:
        self.status, self.code = status, code
        super().__init__(message)

    def response(self) -> Response:
        """The answer."""
        if self.code:
            body = msgspec.json.encode({"code": self.code, "message": str(self)})
        else:
            body = msgspec.json.encode(str(self)) + b"\n"
        return Response(self.status, body, JSON)


def schema_error(message: str, code: int) -> ApiError:
    """A body or parameter that the schema refuses: 601 format, 602 missing, 612 too few."""
    return ApiError(message, 422, code=code)


def syntax_error(what: str, reason: str) -> ApiError:
    """A body that is no JSON, or has wrong types."""
    return ApiError(f'parsing {what} body from "" failed, because {reason}', 400, code=400)

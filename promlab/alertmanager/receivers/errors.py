"""A notification that did not arrive, and whether it is worth trying again."""

from __future__ import annotations

from promlab.errors import PromlabError


class NotifyError(PromlabError):
    """A notification failed.

    `retry` says whether the same may succeed soon; `reason` is its label in metrics:
    clientError, serverError, contextCanceled, contextDeadlineExceeded, authError, rateLimited
    or other.
    """

    def __init__(self, message: str, *, retry: bool = False, reason: str = "other") -> None:
        self.retry, self.reason = retry, reason
        super().__init__(message)

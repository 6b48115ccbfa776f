"""What OAuth 2.0's client credentials say: the question to a token server, and its answer.

Nothing here sends anything: who asks has connections of its own.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote_plus, urlencode

import msgspec


class Question(NamedTuple):
    """A POST for a token."""

    body: str
    headers: dict[str, str]


def question(
    client_id: str,
    secret: str,
    scopes: Sequence[str],
    params: Mapping[str, str],
    *,
    in_form: bool,
) -> Question:
    """Ask with the client's name in a header, or in the form, as some servers want it."""
    form = {"grant_type": "client_credentials"}
    if scopes:
        form["scope"] = " ".join(scopes)
    form |= params
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if in_form:
        form |= {"client_id": client_id, "client_secret": secret}
    else:
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return Question(urlencode(sorted(form.items())), headers)


def token_of(answer: bytes) -> tuple[str, object]:
    """The value of the Authorization header, and what was said of its lifetime.

    Raises ValueError, whose text says what is wrong.
    """
    try:
        found = msgspec.json.decode(answer)
        token, kind = found["access_token"], found.get("token_type") or "Bearer"
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("the token server's answer has no access_token") from None
    if not isinstance(token, str) or not token or not isinstance(kind, str):
        raise ValueError("the token server's answer has no access_token")
    if any(char <= " " for char in token + kind):
        raise ValueError("the token has a blank or control character")
    return f"{'Bearer' if kind.lower() == 'bearer' else kind} {token}", found.get("expires_in")

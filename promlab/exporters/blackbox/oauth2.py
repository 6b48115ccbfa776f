"""A token for an HTTP probe, by OAuth 2.0 with client credentials.

A probe asks for its token each time: that the token server answers is a part of what it probes.
"""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from promlab.exporters.blackbox.modules import OAuth2
from promlab.exporters.blackbox.probe import Probe, ProbeFailed, tls_context

_MAX_ANSWER = 1 << 20


def authorization(config: OAuth2, probe: Probe) -> str:
    """The value of the Authorization header. Raises ProbeFailed."""
    try:
        file = config.client_secret_file
        secret = Path(file).read_text().strip() if file else config.client_secret
    except OSError as error:
        raise ProbeFailed(f"oauth2: client_secret_file: {error.strerror}") from None
    status, body = _ask(config, secret, probe, in_form=False)
    if status in (400, 401):
        status, body = _ask(config, secret, probe, in_form=True)
    if status != 200:
        raise ProbeFailed(f"oauth2: the token server answered {status}")
    try:
        found = msgspec.json.decode(body)
        token, kind = str(found["access_token"]), str(found.get("token_type") or "Bearer")
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        raise ProbeFailed("oauth2: the token server's answer has no access_token") from None
    return f"{'Bearer' if kind.lower() == 'bearer' else kind} {token}"


def _ask(config: OAuth2, secret: str, probe: Probe, *, in_form: bool) -> tuple[int, bytes]:
    """Ask with the client's name in a header, or in the form, as some servers want it."""
    form = {"grant_type": "client_credentials", **config.endpoint_params}
    if config.scopes:
        form["scope"] = " ".join(config.scopes)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if in_form:
        form |= {"client_id": config.client_id, "client_secret": secret}
    else:
        pair = f"{quote_plus(config.client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    if urlsplit(config.token_url).scheme not in ("http", "https"):
        raise ProbeFailed(f"oauth2: {config.token_url!r} is not an address of HTTP")
    request = urllib.request.Request(config.token_url, urlencode(form).encode(), headers)  # noqa: S310
    context = tls_context(config.tls_config) if config.token_url.startswith("https") else None
    try:
        with urllib.request.urlopen(request, timeout=probe.left_s, context=context) as answer:  # noqa: S310
            return int(answer.status), answer.read(_MAX_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""
    except (OSError, ValueError) as error:
        raise ProbeFailed(f"oauth2: {error}") from None

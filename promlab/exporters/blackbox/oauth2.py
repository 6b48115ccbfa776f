"""A token for an HTTP probe, by OAuth 2.0 with client credentials.

A probe asks for its token each time: that the token server answers is a part of what it probes.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from promlab.exporters.blackbox.modules import OAuth2
from promlab.exporters.blackbox.probe import Probe, ProbeFailed, tls_context
from promlab.transport.client_credentials import question, token_of

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
        header, _ = token_of(body)
    except ValueError as error:
        raise ProbeFailed(f"oauth2: {error}") from None
    return header


def _ask(config: OAuth2, secret: str, probe: Probe, *, in_form: bool) -> tuple[int, bytes]:
    form, headers = question(
        config.client_id, secret, config.scopes, config.endpoint_params, in_form=in_form
    )
    if urlsplit(config.token_url).scheme not in ("http", "https"):
        raise ProbeFailed(f"oauth2: {config.token_url!r} is not an address of HTTP")
    request = urllib.request.Request(config.token_url, form.encode(), headers)  # noqa: S310
    context = tls_context(config.tls_config) if config.token_url.startswith("https") else None
    try:
        with urllib.request.urlopen(request, timeout=probe.left_s, context=context) as answer:  # noqa: S310
            return int(answer.status), answer.read(_MAX_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""
    except (OSError, ValueError) as error:
        raise ProbeFailed(f"oauth2: {error}") from None

"""OAuth 2.0's grant of a signed claim (RFC 7523): who the client is, and that it has the key.

PyJWT signs (the extra `clouds`). Nothing here sends anything.
"""

from __future__ import annotations

import time
import uuid
from urllib.parse import urlencode

from promlab.config.http_client import JWT_BEARER, OAuth2
from promlab.errors import ScrapeError
from promlab.transport.asking import FORM
from promlab.transport.client_credentials import Question

_LASTS_S = 600


def claims_question(config: OAuth2, key: str) -> Question:
    """Ask for a token with claims signed by a private key in PEM. Raises ScrapeError."""
    form = {"grant_type": JWT_BEARER, "assertion": _signed(config, key)}
    if config.scopes:
        form["scope"] = " ".join(config.scopes)
    return Question(urlencode(sorted((form | dict(config.endpoint_params)).items())), dict(FORM))


def _signed(config: OAuth2, key: str) -> str:
    try:
        import jwt
    except ImportError:
        what = "oauth2: this grant needs PyJWT: pip install 'promlab[clouds]'"
        raise ScrapeError(what) from None
    now = int(time.time())
    claims = {
        "iss": config.iss or config.client_id,
        "sub": config.client_id,
        "aud": config.audience or config.token_url,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + _LASTS_S,
    }
    if config.scopes:
        claims["scope"] = " ".join(config.scopes)
    claims |= config.claims
    named = {"kid": config.client_certificate_key_id} if config.client_certificate_key_id else None
    algorithm = config.signature_algorithm or "RS256"
    try:
        return str(jwt.encode(claims, key, algorithm=algorithm, headers=named))
    except (jwt.PyJWTError, ValueError, TypeError):
        # Its words might show a part of the key.
        raise ScrapeError("oauth2: the client_certificate_key is no private RSA key") from None

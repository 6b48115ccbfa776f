"""Tokens of Microsoft Entra ID: of an application, of a machine, of a workload.

A token is kept until shortly before it ends. Nothing here needs Azure's SDK.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, urlencode

import msgspec

from promlab.errors import ScrapeError
from promlab.transport.asking import FORM, Ask, Reply
from promlab.transport.kept_token import KeptToken
from promlab.transport.secret_files import read_secret

# A token that ends sooner than this is renewed.
_MARGIN_S = 300.0
_WORKLOAD = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MACHINES = "http://169.254.169.254"
_DEFAULT = "/.default"


class Method(Enum):
    """How somebody shows who they are; ENVIRONMENT is whatever the environment offers."""

    SECRET = "secret"  # noqa: S105  (a word)
    MACHINE = "machine"
    WORKLOAD = "workload"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks; what is not said is looked for in the environment."""

    method: Method
    tenant: str = ""
    client: str = ""
    secret: str = ""
    token_file: str = ""


class AzureTokens:
    """Gets tokens from `login` for a `scope`."""

    def __init__(self, login: str, scope: str, identity: Identity, ask: Ask) -> None:
        self._login_url, self._scope = login, scope
        self._identity, self._ask = identity, ask
        self._kept, self._asking = KeptToken(_MARGIN_S), asyncio.Lock()

    async def token(self) -> str:
        """A token that is good now. Raises ScrapeError if none is given, and what `ask` raises."""
        async with self._asking:
            return self._kept.good or self._kept.take(*_given(await self._asked()))

    def forget(self) -> None:
        """Ask for a new token next time: the old one may have been revoked."""
        self._kept.forget()

    async def _asked(self) -> Reply:
        who, environment = self._identity, os.environ
        match who.method:
            case Method.SECRET:
                return await self._login({"client_secret": who.secret})
            case Method.MACHINE:
                return await self._machine()
            case Method.WORKLOAD:
                return await self._workload()
        # As Azure's own libraries choose.
        if environment.get("AZURE_CLIENT_SECRET"):
            return await self._login({"client_secret": environment["AZURE_CLIENT_SECRET"]})
        if environment.get("AZURE_FEDERATED_TOKEN_FILE"):
            return await self._workload()
        return await self._machine()

    async def _workload(self) -> Reply:
        file = self._identity.token_file or os.environ.get("AZURE_FEDERATED_TOKEN_FILE", "")
        if not file:
            raise ScrapeError("AZURE_FEDERATED_TOKEN_FILE is not set")
        assertion = await asyncio.to_thread(read_secret, file)
        return await self._login(
            {"client_assertion": assertion, "client_assertion_type": _WORKLOAD}
        )

    async def _login(self, proof: Mapping[str, str]) -> Reply:
        who, environment = self._identity, os.environ
        tenant = who.tenant or environment.get("AZURE_TENANT_ID", "")
        client = who.client or environment.get("AZURE_CLIENT_ID", "")
        if not tenant or not client:
            raise ScrapeError("AZURE_TENANT_ID and AZURE_CLIENT_ID must be set")
        base = environment.get("AZURE_AUTHORITY_HOST") or self._login_url
        form = {
            "grant_type": "client_credentials",
            "client_id": client,
            "scope": self._scope,
            **proof,
        }
        url = f"{base.rstrip('/')}/{quote(tenant, safe='')}/oauth2/v2.0/token"
        return await self._ask("POST", url, headers=FORM, body=urlencode(form).encode())

    async def _machine(self) -> Reply:
        """The identity that the machine, or the App Service, has been given."""
        environment, client = os.environ, self._identity.client
        params = {"resource": self._scope.removesuffix(_DEFAULT)}
        if client:
            params["client_id"] = client
        endpoint = environment.get("IDENTITY_ENDPOINT", "")
        if endpoint and environment.get("IDENTITY_HEADER"):
            params["api-version"] = "2019-08-01"
            headers = {"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]}
        else:
            params["api-version"] = "2018-02-01"
            base = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or _MACHINES
            endpoint = f"{base.rstrip('/')}/metadata/identity/oauth2/token"
            headers = {"Metadata": "true"}
        url = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(params)}"
        return await self._ask("GET", url, headers=headers, body=None)


def _given(reply: Reply) -> tuple[str, float]:
    """A token, and for how long it is good."""
    if reply.status != 200:
        raise ScrapeError(f"Azure gives no token: HTTP status {reply.status} {reply.reason}")
    try:
        found = msgspec.json.decode(reply.body)
        token = found["access_token"]
        lasts_s = float(found.get("expires_in") or 0) or _until(found.get("expires_on"))
    except (
        msgspec.DecodeError,
        RecursionError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ):
        raise ScrapeError("Azure's answer has no access_token") from None
    if not isinstance(token, str) or not token or any(char <= " " for char in token):
        raise ScrapeError("Azure's answer has no access_token")
    return token, lasts_s


def _until(moment: object) -> float:
    """Seconds until a moment of Unix time, which may be text."""
    return float(str(moment)) - time.time() if moment else 0.0

"""Credentials of the large clouds, for whoever sends there: signatures of AWS, tokens of others.

Tokens are asked for as the clouds' own libraries do, through the proxy that the environment
names, if any.
"""

from __future__ import annotations

from typing import Protocol

from promlab.config.cloud_auth import (
    AzureAD,
    AzureOAuth,
    GoogleIAM,
    ManagedIdentity,
    SigV4,
    WorkloadIdentity,
)
from promlab.config.http_client import HttpClientConfig, ProxyConfig
from promlab.transport.asking import ClientAsk
from promlab.transport.azure_tokens import AzureTokens, Identity, Method
from promlab.transport.google_tokens import GoogleTokens
from promlab.transport.session import Authenticator, HttpClient
from promlab.transport.sigv4 import Signer

_GOOGLE_SCOPE = "https://www.googleapis.com/auth/monitoring.write"
# Where each cloud of Azure gives tokens, and the scope of its monitoring.
_AZURE = {
    "AzurePublic": ("https://login.microsoftonline.com", "https://monitor.azure.com//.default"),
    "AzureChina": ("https://login.chinacloudapi.cn", "https://monitor.azure.cn//.default"),
    "AzureGovernment": ("https://login.microsoftonline.us", "https://monitor.azure.us//.default"),
}


def authenticator(
    config: SigV4 | AzureAD | GoogleIAM | None, user_agent: str
) -> Authenticator | None:
    """Who adds the credentials of a section. Raises ConfigError where a library is missing."""
    match config:
        case SigV4():
            return Signer(config)
        case AzureAD():
            ask = _ask(user_agent)
            return BearerTokens(_azure(config, ask), ask)
        case GoogleIAM():
            ask = _ask(user_agent)
            return BearerTokens(GoogleTokens(_GOOGLE_SCOPE, ask, config.credentials_file), ask)
    return None


class Tokens(Protocol):
    """Where tokens come from."""

    async def token(self) -> str:
        """One that is good now."""


class BearerTokens:
    """A token with each request."""

    def __init__(self, tokens: Tokens, ask: ClientAsk) -> None:
        self._tokens, self._ask = tokens, ask

    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """The Authorization header. Raises ScrapeError."""
        return {"Authorization": f"Bearer {await self._tokens.token()}"}

    async def close(self) -> None:
        """Close the connections to the token server."""
        await self._ask.close()


def _ask(user_agent: str) -> ClientAsk:
    # A redirect would take a secret along.
    proxy = ProxyConfig(proxy_from_environment=True)
    config = HttpClientConfig(proxy=proxy, follow_redirects=False)
    return ClientAsk(HttpClient(config, {"User-Agent": user_agent}))


def _azure(config: AzureAD, ask: ClientAsk) -> AzureTokens:
    cloud = config.cloud
    login, scope = _AZURE.get(cloud.name, (cloud.aad_endpoint, cloud.token_audience))
    return AzureTokens(login, config.scope or scope, _identity(config), ask)


def _identity(config: AzureAD) -> Identity:
    match config.identity:
        case ManagedIdentity(client_id=client):
            return Identity(Method.MACHINE, client=client)
        case AzureOAuth(tenant_id=tenant, client_id=client, client_secret=secret):
            return Identity(Method.SECRET, tenant, client, secret.reveal())
        case WorkloadIdentity(tenant_id=tenant, client_id=client, token_file_path=file):
            return Identity(Method.WORKLOAD, tenant, client, token_file=file)
    tenant = config.sdk.tenant_id if config.sdk is not None else ""
    return Identity(Method.ENVIRONMENT, tenant)

"""Tokens for Azure's resource manager, as a section of Azure's discovery asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promlab.config.mechanisms.clouds import Azure
from promlab.discovery.asking import Asker
from promlab.errors import DiscoveryError, ScrapeError
from promlab.transport.asking import Reply
from promlab.transport.azure_tokens import AzureTokens, Identity, Method


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where one of Azure's clouds gives tokens, and where its resource manager is."""

    login: str
    manager: str


_PUBLIC = Cloud("https://login.microsoftonline.com", "https://management.azure.com")
_CHINA = Cloud("https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn")
_GOVERNMENT = Cloud("https://login.microsoftonline.us", "https://management.usgovcloudapi.net")
CLOUDS = {
    "AZURECLOUD": _PUBLIC,
    "AZUREPUBLICCLOUD": _PUBLIC,
    "AZURECHINACLOUD": _CHINA,
    "AZUREUSGOVERNMENT": _GOVERNMENT,
    "AZUREUSGOVERNMENTCLOUD": _GOVERNMENT,
}
_METHODS = {
    "OAuth": Method.SECRET,
    "ManagedIdentity": Method.MACHINE,
    "WorkloadIdentity": Method.WORKLOAD,
    "SDK": Method.ENVIRONMENT,
}


def cloud_of(environment: str) -> Cloud:
    """The cloud of this name. Raises DiscoveryError for one that is not known."""
    found = CLOUDS.get(environment.upper())
    if found is None:
        raise DiscoveryError(f"there is no Azure environment {environment!r}")
    return found


class Tokens:
    """Gets tokens as a section's `authentication_method` says, with the section's client."""

    def __init__(self, config: Azure, asker: Asker) -> None:
        cloud = cloud_of(config.environment)
        who = Identity(
            _METHODS[config.authentication_method],
            config.tenant_id,
            config.client_id,
            config.client_secret.reveal(),
        )
        self._asker = asker
        self._tokens = AzureTokens(cloud.login, f"{cloud.manager}/.default", who, self._ask)
        self.forget = self._tokens.forget

    async def token(self) -> str:
        """A token that is good now. Raises DiscoveryError if none is given."""
        try:
            return await self._tokens.token()
        except ScrapeError as error:
            raise DiscoveryError(str(error)) from None

    async def _ask(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        found = await self._asker.ask(url, method=method, headers=headers, body=body)
        return Reply(found.status, found.headers, found.body)

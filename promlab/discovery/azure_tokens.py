"""Tokens for Azure's resource manager, as a section of Azure's discovery asks for them."""

from __future__ import annotations

from dataclasses import dataclass

from promlab.config.mechanisms.clouds import Azure
from promlab.discovery.asking import Asker
from promlab.discovery.login import Login
from promlab.errors import DiscoveryError
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


def login(config: Azure, asker: Asker) -> Login[AzureTokens]:
    """Tokens as a section's `authentication_method` says, got with the section's client."""
    cloud = cloud_of(config.environment)
    who = Identity(
        _METHODS[config.authentication_method],
        config.tenant_id,
        config.client_id,
        config.client_secret.reveal(),
    )
    scope = f"{cloud.manager}/.default"
    return Login(asker, lambda ask: AzureTokens(cloud.login, scope, who, ask))

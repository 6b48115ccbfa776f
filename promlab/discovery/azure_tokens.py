"""Tokens for Azure's resource manager: of an application, of a machine, of a workload.

A token is kept until shortly before it ends. Nothing here needs Azure's SDK.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from promlab.config.mechanisms.clouds import Azure
from promlab.discovery.answers import Answer
from promlab.discovery.asking import Asker
from promlab.discovery.kept_token import KeptToken
from promlab.errors import DiscoveryError
from promlab.transport.session import read_secret

# A token that ends sooner than this is renewed.
_MARGIN_S = 300.0
_WORKLOAD = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


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


def cloud_of(environment: str) -> Cloud:
    """The cloud of this name. Raises DiscoveryError for one that is not known."""
    found = CLOUDS.get(environment.upper())
    if found is None:
        raise DiscoveryError(f"there is no Azure environment {environment!r}")
    return found


class Tokens:
    """Gets tokens as a section's `authentication_method` says."""

    def __init__(self, config: Azure, asker: Asker) -> None:
        self._config, self._asker = config, asker
        self._kept = KeptToken(_MARGIN_S)

    async def token(self) -> str:
        """A token that is good now. Raises DiscoveryError if none is given."""
        return self._kept.good or self._kept.take(await self._ask())

    def forget(self) -> None:
        """Ask for a new token next time: the old one may have been revoked."""
        self._kept.forget()

    async def _ask(self) -> Answer:
        config = self._config
        method = config.authentication_method
        if method == "OAuth":
            secret = config.client_secret.reveal()
            return await self._login(config.tenant_id, config.client_id, {"client_secret": secret})
        if method == "ManagedIdentity":
            return await self._machine()
        if method == "WorkloadIdentity":
            return await self._workload()
        # SDK: what the environment offers, as Azure's own libraries choose.
        environment = os.environ
        if environment.get("AZURE_CLIENT_SECRET"):
            secret = environment["AZURE_CLIENT_SECRET"]
            return await self._login(*self._who(), {"client_secret": secret})
        if environment.get("AZURE_FEDERATED_TOKEN_FILE"):
            return await self._workload()
        return await self._machine()

    def _who(self) -> tuple[str, str]:
        config, environment = self._config, os.environ
        tenant = config.tenant_id or environment.get("AZURE_TENANT_ID", "")
        client = config.client_id or environment.get("AZURE_CLIENT_ID", "")
        if not tenant or not client:
            raise DiscoveryError("AZURE_TENANT_ID and AZURE_CLIENT_ID must be set")
        return tenant, client

    async def _workload(self) -> Answer:
        file = os.environ.get("AZURE_FEDERATED_TOKEN_FILE", "")
        if not file:
            raise DiscoveryError("AZURE_FEDERATED_TOKEN_FILE is not set")
        assertion = await asyncio.to_thread(read_secret, file)
        proof = {"client_assertion": assertion, "client_assertion_type": _WORKLOAD}
        return await self._login(*self._who(), proof)

    async def _login(self, tenant: str, client: str, proof: Mapping[str, str]) -> Answer:
        cloud = cloud_of(self._config.environment)
        base = os.environ.get("AZURE_AUTHORITY_HOST") or cloud.login
        form = {
            "grant_type": "client_credentials",
            "client_id": client,
            "scope": f"{cloud.manager}/.default",
            **proof,
        }
        return await self._asker.json(
            f"{base.rstrip('/')}/{quote(tenant, safe='')}/oauth2/v2.0/token",
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )

    async def _machine(self) -> Answer:
        """The identity that the machine, or the App Service, has been given."""
        environment, client = os.environ, self._config.client_id
        params = {"resource": cloud_of(self._config.environment).manager}
        if client:
            params["client_id"] = client
        endpoint = environment.get("IDENTITY_ENDPOINT", "")
        if endpoint and environment.get("IDENTITY_HEADER"):
            params["api-version"] = "2019-08-01"
            headers = {"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]}
            return await self._asker.json(endpoint, params=params, headers=headers)
        base = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or "http://169.254.169.254"
        params["api-version"] = "2018-02-01"
        url = f"{base.rstrip('/')}/metadata/identity/oauth2/token"
        return await self._asker.json(url, params=params, headers={"Metadata": "true"})

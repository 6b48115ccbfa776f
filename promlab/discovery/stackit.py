"""Servers and PostgreSQL instances of STACKIT. With the key of a service account, tokens are asked
for as its flow of keys wants it (PyJWT, the extra `clouds`); else the HTTP settings must do.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from promlab.config.mechanisms.hosters import Stackit
from promlab.discovery.answers import Answer
from promlab.discovery.base import ADDRESS, META, Surroundings, TargetGroup, label_name
from promlab.discovery.simple import Simple, target
from promlab.errors import DiscoveryError
from promlab.transport.aside import aside
from promlab.transport.kept_token import KeptToken
from promlab.transport.secret_files import read_secret

TOKENS = "https://service-account.api.stackit.cloud/token"
POSTGRES = "https://postgres-flex-service.api.stackit.cloud"
METRICS = "postgres-flex-metrics.api.stackit.cloud"
_MARGIN_S = 60.0
_CLAIM_S = 600


class StackitDiscovery(Simple[Stackit]):
    """Asks for what a project has."""

    mechanism = "stackit"

    def __init__(self, config: Stackit, around: Surroundings) -> None:
        super().__init__(config, around)
        self._kept = KeptToken(_MARGIN_S)

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all servers, or of all databases."""
        targets = await (self._servers() if self.config.role == "server" else self._databases())
        return [TargetGroup("stackit", tuple(targets))]

    async def _list(self, base: str, path: str) -> list[Answer]:
        config = self.config
        headers = {"Accept": "application/json"}
        if config.service_account_key or config.service_account_key_path:
            headers["Authorization"] = f"Bearer {await self._own_token()}"
        url = f"{(config.endpoint or base).rstrip('/')}/{path}"
        answer = await self.asker.json(url, params={"details": "true"}, headers=headers)
        return answer.needed_items("items")

    async def _servers(self) -> list[dict[str, str]]:
        base = f"https://iaas.api.{self.config.region}.stackit.cloud"
        found = await self._list(base, f"v1/projects/{quote(self.config.project, safe='')}/servers")
        return [made for each in found if (made := self._server(each))]

    def _server(self, server: Answer) -> dict[str, str]:
        values = {
            "project": self.config.project,
            "id": server.text("id"),
            "name": server.text("name"),
            "availability_zone": server.text("availabilityZone"),
            "status": server.text("status"),
            "power_status": server.text("powerStatus"),
            "type": server.text("machineType"),
        }
        address = ""
        for nic in server.items("nics"):
            public, private = nic.text("publicIp"), nic.text("ipv4")
            if public and "public_ipv4" not in values:
                address = values["public_ipv4"] = public
            if private:
                values[f"private_ipv4_{label_name(nic.text('networkName'))}"] = private
                address = address or private
        if not address:
            return {}
        for key, value in server.entries("labels"):
            if isinstance(value.value, str):
                values[f"label_{label_name(key)}"] = value.value
                values[f"labelpresent_{label_name(key)}"] = "true"
        return target("stackit", address, self.config.port, values)

    async def _databases(self) -> list[dict[str, str]]:
        project, region = self.config.project, self.config.region
        place = f"projects/{quote(project, safe='')}/regions/{quote(region, safe='')}/instances"
        return [
            {
                ADDRESS: f"{METRICS}:443",
                "__scheme__": "https",
                "__metrics_path__": f"/v1alpha1/{place}/{each.text('id')}/advanced/metrics",
                f"{META}stackit_project": project,
                f"{META}stackit_id": each.text("id"),
                f"{META}stackit_name": each.text("name"),
                f"{META}stackit_status": each.text("status"),
                f"{META}stackit_type": "postgres",
            }
            for each in await self._list(POSTGRES, f"v2/{place}")
        ]

    async def _own_token(self) -> str:
        if token := self._kept.good:
            return token
        account, key = await self._key()
        claim = await aside(lambda: _claim(account, key), "stackit discovery")
        grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        answer = await self.asker.json(
            TOKENS,
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode({"grant_type": grant, "assertion": claim}).encode(),
        )
        token = answer.text("access_token")
        if not token:
            raise DiscoveryError(f"{TOKENS}: no access token was given")
        return self._kept.take(token, float(answer.shown("expires_in") or 0))

    async def _key(self) -> tuple[Answer, str]:
        """The credentials of the service account, and its private key."""
        config = self.config
        text = config.service_account_key.reveal()
        if not text:
            text = await asyncio.to_thread(read_secret, config.service_account_key_path)
        account = Answer.parse(text.encode(), "the service account's key").at("credentials")
        key = config.private_key.reveal() or account.text("privateKey")
        if not key and config.private_key_path:
            key = await asyncio.to_thread(read_secret, config.private_key_path)
        if not key:
            raise DiscoveryError("the service account's key has no private key, and none is given")
        return account, key


def _claim(account: Answer, key: str) -> str:
    """Who the service account is, signed with its key."""
    try:
        import jwt
    except ImportError:
        what = "stackit discovery needs PyJWT: pip install 'promlab[clouds]'"
        raise DiscoveryError(what) from None
    now = int(time.time())
    claims = {
        "iss": account.text("iss"),
        "sub": account.text("sub"),
        "aud": account.text("aud"),
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + _CLAIM_S,
    }
    try:
        kid = {"kid": account.text("kid")}
        return str(jwt.encode(claims, key, algorithm="RS512", headers=kid))
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise DiscoveryError(f"the service account's private key can't be used: {error}") from None

"""AWS signatures (version 4) for requests: who asks, and that nobody changed what is asked.

Credentials are looked up and renewed by botocore (extra `aws`), as every program on AWS does:
keys of the configuration, else a profile, the environment, the machine's or container's role.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from urllib.parse import urlsplit

from promlab.config.cloud_auth import SigV4
from promlab.errors import ConfigError, ScrapeError

_SERVICE = "aps"  # Amazon's Managed Service for Prometheus
_SESSION_NAME = "promlab"


class Signer:
    """Signs for one endpoint. Raises ConfigError where botocore or the region is missing."""

    def __init__(self, config: SigV4) -> None:
        try:
            import botocore.session
        except ImportError:
            raise ConfigError(
                "sigv4 needs botocore: install it with `pip install 'promlab[aws]'`", field="sigv4"
            ) from None
        self._service = config.service_name or _SERVICE
        self._session: Any = botocore.session.Session(profile=config.profile or None)
        self._region = config.region or _region(self._session)
        if not self._region:
            raise ConfigError(
                "region not configured in sigv4 or in default credentials chain", field="sigv4"
            )
        if config.access_key:
            self._session.set_credentials(config.access_key, config.secret_key.reveal())
        self._config = config
        self._credentials: Any = None
        self._lock = threading.Lock()

    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """Headers that sign a request. Raises ScrapeError."""
        # AWS may have to be asked for credentials.
        return await asyncio.to_thread(self.signed, method, url, body)

    async def close(self) -> None:
        """Nothing stays open."""

    def signed(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """Headers that sign a request. May ask AWS: call it in a thread. Raises ScrapeError."""
        import botocore.exceptions
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method, url, data=body, headers={"Host": urlsplit(url).netloc})
        try:
            with self._lock:
                if self._credentials is None:
                    self._credentials = self._found()
                frozen = self._credentials.get_frozen_credentials()
            SigV4Auth(frozen, self._service, self._region).add_auth(request)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise ScrapeError(f"sigv4: {' '.join(str(error).split())[:300]}") from None
        return {name: text for name, text in request.headers.items() if name != "Host"}

    def _found(self) -> Any:
        own = self._session.get_credentials()
        if own is None:
            raise ScrapeError(
                "sigv4: no AWS credentials: give access_key and secret_key, a profile, or set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        return self._of_role(own) if self._config.role_arn else own

    def _of_role(self, own: Any) -> Any:
        """Credentials of the role, renewed before they end."""
        from botocore.config import Config
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

        def create(service: str, **given: Any) -> Any:
            fips = Config(use_fips_endpoint=self._config.use_fips_sts_endpoint)
            given.setdefault("region_name", self._region)
            return self._session.create_client(service, config=fips, **given)

        extra = {"RoleSessionName": _SESSION_NAME}
        if self._config.external_id:
            extra["ExternalId"] = self._config.external_id
        fetcher = AssumeRoleCredentialFetcher(create, own, self._config.role_arn, extra_args=extra)
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


def _region(session: Any) -> str:
    import botocore.exceptions

    try:
        return str(session.get_config_variable("region") or "")
    except botocore.exceptions.ProfileNotFound as error:
        raise ConfigError(f"sigv4: {error}", field="sigv4") from None

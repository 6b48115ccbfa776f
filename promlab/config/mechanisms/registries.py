"""Servers that know what runs where: Consul, Nomad, Eureka, Marathon, PuppetDB, Kuma, Uyuni."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.http_client import at_most_one
from promlab.config.mechanisms.base import Asked, needs, needs_address, port
from promlab.config.secret import Secret
from promlab.config.section import opt, record


@record
class Consul(Asked):
    """The catalog of a Consul cluster."""

    mechanism: ClassVar[str] = "consul"
    server: str = opt(kinds.string, "localhost:8500", always=True)
    path_prefix: str = opt(kinds.string, "")
    token: Secret = opt(kinds.secret, Secret(""))
    datacenter: str = opt(kinds.string, "")
    namespace: str = opt(kinds.string, "")
    partition: str = opt(kinds.string, "")
    tag_separator: str = opt(kinds.string, ",", always=True)
    scheme: str = opt(kinds.string, "http", always=True)
    username: str = opt(kinds.string, "")
    password: Secret = opt(kinds.secret, Secret(""))
    allow_stale: bool = opt(kinds.boolean, True, always=True)
    refresh_interval_ms: int = opt(kinds.duration, 30_000, key="refresh_interval", always=True)
    services: tuple[str, ...] = opt(kinds.strings, ())
    tags: tuple[str, ...] = opt(kinds.strings, ())
    node_meta: Mapping[str, str] = opt(kinds.labels, {})
    filter: str = opt(kinds.string, "")
    health_filter: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """A server, and at most one way to authenticate there."""
        Asked.check(self, at)
        if not self.server.strip():
            at.get("server").fail("consul SD configuration requires a server address")
        http = self.http
        if (self.username or self.password) and http.basic_auth is not None:
            at.get("basic_auth").fail(
                "at most one of consul SD configuration username and password "
                "and basic auth can be configured"
            )
        if self.token and (http.bearer is not None or http.oauth2 is not None):
            at.get("token").fail(
                "at most one of consul SD token, authorization, or oauth2 can be configured"
            )


@record
class Nomad(Asked):
    """Services of a Nomad cluster."""

    mechanism: ClassVar[str] = "nomad"
    server: str = opt(kinds.string, "http://localhost:4646", always=True)
    allow_stale: bool = opt(kinds.boolean, True, always=True)
    namespace: str = opt(kinds.string, "default", always=True)
    region: str = opt(kinds.string, "global", always=True)
    tag_separator: str = opt(kinds.string, ",", always=True)

    def check(self, at: At) -> None:
        """A server."""
        Asked.check(self, at)
        if not self.server.strip():
            at.get("server").fail("nomad SD configuration requires a server address")


@record
class Eureka(Asked):
    """Applications of a Eureka server."""

    mechanism: ClassVar[str] = "eureka"
    required: ClassVar[tuple[str, ...]] = ("server",)
    server: str = opt(kinds.string, "", always=True)
    refresh_interval_ms: int = opt(kinds.duration, 30_000, key="refresh_interval", always=True)

    def check(self, at: At) -> None:
        """A server."""
        Asked.check(self, at)
        if not self.server:
            at.get("server").fail("eureka_sd: empty or null eureka server")
        needs_address(at.get("server"), self.server, "eureka_sd")


@record
class Marathon(Asked):
    """Applications of Marathon."""

    mechanism: ClassVar[str] = "marathon"
    required: ClassVar[tuple[str, ...]] = ("servers",)
    servers: tuple[str, ...] = opt(kinds.strings, (), always=True)
    refresh_interval_ms: int = opt(kinds.duration, 30_000, key="refresh_interval", always=True)
    auth_token: Secret = opt(kinds.secret, Secret(""))
    auth_token_file: str = opt(kinds.path, "")

    def check(self, at: At) -> None:
        """Servers, and at most one way to authenticate there."""
        Asked.check(self, at)
        if not self.servers:
            at.fail("marathon_sd: must contain at least one Marathon server")
        at_most_one(at, auth_token=self.auth_token, auth_token_file=self.auth_token_file)
        http = self.http
        if (self.auth_token or self.auth_token_file) and any(
            (http.basic_auth, http.bearer, http.oauth2)
        ):
            at.fail(
                "marathon_sd: at most one of basic_auth, authorization, oauth2, "
                "auth_token & auth_token_file must be configured"
            )


@record
class PuppetDB(Asked):
    """Resources that a query finds in PuppetDB."""

    mechanism: ClassVar[str] = "puppetdb"
    required: ClassVar[tuple[str, ...]] = ("url", "query")
    url: str = opt(kinds.url, "", always=True)
    query: str = opt(kinds.string, "", always=True)
    include_parameters: bool = opt(kinds.boolean, False)
    port: int = opt(port, 80, always=True)

    def check(self, at: At) -> None:
        """Whom to ask, and what."""
        Asked.check(self, at)
        if not self.url:
            at.get("url").fail("URL is missing")
        needs_address(at.get("url"), self.url, "puppetdb_sd")
        if not self.query:
            at.get("query").fail("query missing")


@record
class Kuma(Asked):
    """Data planes of a Kuma control plane."""

    mechanism: ClassVar[str] = "kuma"
    required: ClassVar[tuple[str, ...]] = ("server",)
    server: str = opt(kinds.url, "", always=True)
    refresh_interval_ms: int = opt(kinds.duration, 30_000, key="refresh_interval", always=True)
    fetch_timeout_ms: int = opt(kinds.duration, 120_000, key="fetch_timeout", always=True)
    client_id: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """A server."""
        Asked.check(self, at)
        if not self.server:
            at.get("server").fail("kuma SD server must not be empty")
        needs_address(at.get("server"), self.server, "kuma_sd")


@record
class Uyuni(Asked):
    """Machines that a Uyuni server watches over."""

    mechanism: ClassVar[str] = "uyuni"
    required: ClassVar[tuple[str, ...]] = ("server", "username", "password")
    server: str = opt(kinds.url, "", always=True)
    username: str = opt(kinds.string, "", always=True)
    password: Secret = opt(kinds.secret, Secret(""))
    entitlement: str = opt(kinds.string, "monitoring_entitled", always=True)
    separator: str = opt(kinds.string, ",", always=True)

    def check(self, at: At) -> None:
        """A server and an account there."""
        Asked.check(self, at)
        needs(
            at,
            "Uyuni SD configuration",
            server=self.server,
            username=self.username,
            password=self.password,
        )
        needs_address(at.get("server"), self.server, "uyuni_sd")

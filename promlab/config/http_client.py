"""Options of an HTTP client, as they stand in scrape, discovery, remote and alerting sections.

Only what they say is here; `promlab.transport.session` acts on them. Credentials that are named
as files are read when they are used, so that they can be rotated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promlab.config import kinds
from promlab.config.document import At, shown_key
from promlab.config.kinds import Kind
from promlab.config.secret import Secret
from promlab.config.section import Section, inline, maybe, opt, record, section

_NO_SECRET = Secret("")
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SIGNATURES = ("RS256", "RS384", "RS512")
TLS_VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")
_RESERVED = {
    "authorization", "host", "content-encoding", "content-length", "content-type",
    "user-agent", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "www-authenticate", "accept-encoding", "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version", "x-prometheus-scrape-timeout-seconds", "x-amz-date",
    "x-amz-security-token", "x-amz-content-sha256",
}  # fmt: skip


def at_most_one(at: At, **given: object) -> None:
    """Refuse a section in which more than one of these is set."""
    if sum(map(bool, given.values())) > 1:
        names = list(given)
        at.fail(f"at most one of {', '.join(names[:-1])} & {names[-1]} must be configured")


@record
class BasicAuth(Section):
    """User name and password."""

    username: str = opt(kinds.string, "")
    username_file: str = opt(kinds.path, "")
    password: Secret = opt(kinds.secret, _NO_SECRET)
    password_file: str = opt(kinds.path, "")

    def check(self, at: At) -> None:
        """At most one source for each."""
        at_most_one(at, username=self.username, username_file=self.username_file)
        at_most_one(at, password=self.password, password_file=self.password_file)


@record
class Authorization(Section):
    """An Authorization header: its type, and credentials."""

    type: str = opt(kinds.header_value, "Bearer", always=True)
    credentials: Secret = opt(kinds.secret, _NO_SECRET)
    credentials_file: str = opt(kinds.path, "")

    def check(self, at: At) -> None:
        """One source of credentials; Basic has a section of its own."""
        at_most_one(at, credentials=self.credentials, credentials_file=self.credentials_file)
        if self.type.strip().lower() == "basic":
            at.get("type").fail('authorization type cannot be "basic": use basic_auth instead')


@record
class TLSConfig(Section):
    """Certificates and what to check."""

    ca: str = opt(kinds.string, "")
    ca_file: str = opt(kinds.path, "")
    cert: str = opt(kinds.string, "")
    cert_file: str = opt(kinds.path, "")
    key: Secret = opt(kinds.secret, _NO_SECRET)
    key_file: str = opt(kinds.path, "")
    server_name: str = opt(kinds.string, "")
    insecure_skip_verify: bool = opt(kinds.boolean, False)
    min_version: str = opt(kinds.one_of(*TLS_VERSIONS, what="TLS version"), "")
    max_version: str = opt(kinds.one_of(*TLS_VERSIONS, what="TLS version"), "")

    def check(self, at: At) -> None:
        """Certificate and key come together, each from one place."""
        at_most_one(at, ca=self.ca, ca_file=self.ca_file)
        at_most_one(at, cert=self.cert, cert_file=self.cert_file)
        at_most_one(at, key=self.key, key_file=self.key_file)
        has_cert, has_key = bool(self.cert or self.cert_file), bool(self.key or self.key_file)
        if has_cert != has_key:
            missing = "key or key_file" if has_cert else "cert or cert_file"
            at.fail(f"exactly one of {missing} must be configured too: a client shows both")
        order = TLS_VERSIONS.index
        if (
            self.min_version
            and self.max_version
            and order(self.min_version) > order(self.max_version)
        ):
            at.get("max_version").fail("must not be less than min_version")


@record
class Header(Section):
    """Values of one HTTP header: plain, secret, or from files."""

    values: tuple[str, ...] = opt(kinds.list_of(kinds.header_value), ())
    secrets: tuple[Secret, ...] = opt(kinds.list_of(kinds.secret), ())
    files: tuple[str, ...] = opt(kinds.list_of(kinds.path), ())


def _headers(at: At) -> Mapping[str, Header]:
    found = {}
    for name, (key_at, value_at) in at.entries().items():
        if name.lower() in _RESERVED:
            key_at.fail(f"setting header {name!r} is not allowed")
        if not name or not all(
            c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name
        ):
            key_at.fail(f"{shown_key(name)!r} is not a header name")
        found[name] = Header.read(value_at)
    return found


headers: Kind[Mapping[str, Header]] = Kind(
    _headers,
    lambda found: {name: found[name].plain() for name in sorted(found)},
    {},
    shape={"type": ["object", "null"], "additionalProperties": Header},
)


def _proxy_connect(at: At) -> Mapping[str, tuple[Secret, ...]]:
    return {name: kinds.list_of(kinds.secret)(value) for name, (_, value) in at.entries().items()}


proxy_headers: Kind[Mapping[str, tuple[Secret, ...]]] = Kind(
    _proxy_connect, lambda found: {name: [str(v) for v in found[name]] for name in found}, {}
)


@record
class ProxyConfig(Section):
    """Which proxy to use."""

    proxy_url: str = opt(kinds.url, "")
    no_proxy: str = opt(kinds.string, "")
    proxy_from_environment: bool = opt(kinds.boolean, False)
    proxy_connect_header: Mapping[str, tuple[Secret, ...]] = opt(proxy_headers, {})

    def check(self, at: At) -> None:
        """One way to name a proxy."""
        if self.proxy_from_environment and (self.proxy_url or self.no_proxy):
            at.get("proxy_from_environment").fail(
                "proxy_url and no_proxy must not be configured beside proxy_from_environment"
            )
        if self.no_proxy and not self.proxy_url:
            at.get("no_proxy").fail("has a meaning only beside proxy_url")
        if self.proxy_connect_header and not (self.proxy_url or self.proxy_from_environment):
            at.get("proxy_connect_header").fail("has a meaning only beside a proxy")


@record
class OAuth2(Section):
    """OAuth 2.0: the credentials of a client, or its signature."""

    client_id: str = opt(kinds.string, "")
    client_secret: Secret = opt(kinds.secret, _NO_SECRET)
    client_secret_file: str = opt(kinds.path, "")
    client_certificate_key_id: str = opt(kinds.string, "")
    client_certificate_key: Secret = opt(kinds.secret, _NO_SECRET)
    client_certificate_key_file: str = opt(kinds.path, "")
    signature_algorithm: str = opt(kinds.offered(*_SIGNATURES), "")
    iss: str = opt(kinds.string, "")
    audience: str = opt(kinds.string, "")
    claims: Mapping[str, Any] = opt(kinds.map_of(kinds.string, kinds.anything), {})
    grant_type: str = opt(kinds.offered("client_credentials", JWT_BEARER), "")
    scopes: tuple[str, ...] = opt(kinds.strings, ())
    token_url: str = opt(kinds.url, "")
    endpoint_params: Mapping[str, str] = opt(kinds.map_of(kinds.string, kinds.string), {})
    tls_config: TLSConfig = opt(section(TLSConfig), TLSConfig())
    proxy: ProxyConfig = inline(ProxyConfig)

    def check(self, at: At) -> None:
        """What a token request can't do without; fields of the other grant have no meaning."""
        if self.signs:
            key, file = self.client_certificate_key, self.client_certificate_key_file
            at_most_one(at, client_certificate_key=key, client_certificate_key_file=file)
            if self.signature_algorithm not in ("", *_SIGNATURES):
                what = "valid signature algorithms are RS256, RS384 and RS512"
                at.get("signature_algorithm").fail(what)
        else:
            at_most_one(
                at, client_secret=self.client_secret, client_secret_file=self.client_secret_file
            )
        if not self.client_id:
            at.fail("oauth2 client_id must be configured")
        if not self.token_url:
            at.fail("oauth2 token_url must be configured")

    @property
    def signs(self) -> bool:
        """Whether the client shows itself by a signature; any grant but this has a secret."""
        return self.grant_type == JWT_BEARER


@record
class HttpClientConfig(Section):
    """All options of an HTTP client."""

    basic_auth: BasicAuth | None = opt(maybe(BasicAuth), None)
    authorization: Authorization | None = opt(maybe(Authorization), None)
    oauth2: OAuth2 | None = opt(maybe(OAuth2), None)
    bearer_token: Secret = opt(kinds.secret, _NO_SECRET)
    bearer_token_file: str = opt(kinds.path, "")
    tls_config: TLSConfig = opt(section(TLSConfig), TLSConfig())
    follow_redirects: bool = opt(kinds.boolean, True, always=True)
    enable_http2: bool = opt(kinds.boolean, True, always=True)
    http_headers: Mapping[str, Header] = opt(headers, {})
    proxy: ProxyConfig = inline(ProxyConfig)

    def check(self, at: At) -> None:
        """At most one way to authenticate."""
        bearer, bearer_file = bool(self.bearer_token), bool(self.bearer_token_file)
        at_most_one(at, bearer_token=bearer, bearer_token_file=bearer_file)
        at_most_one(
            at,
            basic_auth=self.basic_auth is not None,
            authorization=self.authorization is not None,
            oauth2=self.oauth2 is not None,
            bearer_token=bearer or bearer_file,
        )

    @property
    def bearer(self) -> Authorization | None:
        """`authorization`, or what the older bearer_token fields say in its terms."""
        if self.bearer_token or self.bearer_token_file:
            return Authorization(
                credentials=self.bearer_token, credentials_file=self.bearer_token_file
            )
        return self.authorization

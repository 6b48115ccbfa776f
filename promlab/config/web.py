"""The file that --web.config.file names: TLS, users and headers of a server.

The format is that of Prometheus, and of everything else that is built on its exporter toolkit.
What is said here is acted on in `promlab.web`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from promlab.config import kinds
from promlab.config.document import At, parse, read_text
from promlab.config.http_client import TLS_VERSIONS, at_most_one
from promlab.config.kinds import Kind
from promlab.config.secret import Secret
from promlab.config.section import Section, maybe, opt, record, section

_NO_SECRET = Secret("")
CLIENT_AUTH = (
    "NoClientCert",
    "RequestClientCert",
    "RequireAnyClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
)
ASKING = CLIENT_AUTH[1:]  # those that ask clients for certificates
VERIFYING = CLIENT_AUTH[3:]  # and those that verify them
_BCRYPT = re.compile(r"\$2[abxy]?\$(\d\d)\$[./A-Za-z0-9]{53}")
_CHOICES = {
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
}
HEADERS = (
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
    "Content-Security-Policy",
)


@record
class TLSServerConfig(Section):
    """Certificate of the server, and what it asks of clients."""

    cert: str = opt(kinds.string, "")
    cert_file: str = opt(kinds.path, "")
    key: Secret = opt(kinds.secret, _NO_SECRET)
    key_file: str = opt(kinds.path, "")
    client_ca: str = opt(kinds.string, "")
    client_ca_file: str = opt(kinds.path, "")
    client_auth_type: str = opt(kinds.one_of(*CLIENT_AUTH, what="client auth type"), "")
    client_allowed_sans: tuple[str, ...] = opt(kinds.list_of(kinds.string), ())
    min_version: str = opt(kinds.one_of(*TLS_VERSIONS, what="TLS version"), "TLS12")
    max_version: str = opt(kinds.one_of(*TLS_VERSIONS, what="TLS version"), "TLS13")
    cipher_suites: tuple[str, ...] = opt(kinds.list_of(kinds.string), ())
    curve_preferences: tuple[str, ...] = opt(kinds.list_of(kinds.string), ())
    prefer_server_cipher_suites: bool = opt(kinds.boolean, True)

    def check(self, at: At) -> None:
        """A certificate with its key; an authority for clients only where they are asked."""
        at_most_one(at, cert=self.cert, cert_file=self.cert_file)
        at_most_one(at, key=self.key, key_file=self.key_file)
        at_most_one(at, client_ca=self.client_ca, client_ca_file=self.client_ca_file)
        if not (self.cert or self.cert_file):
            at.fail("missing one of cert or cert_file")
        if not (self.key or self.key_file):
            at.fail("missing one of key or key_file")
        if (self.client_ca or self.client_ca_file) and self.client_auth_type not in ASKING:
            at.fail("a client CA needs a client auth type that asks for certificates")
        order = TLS_VERSIONS.index
        if order(self.min_version or "TLS12") > order(self.max_version or "TLS13"):
            at.get("max_version").fail("must not be less than min_version")


def _headers(at: At) -> Mapping[str, str]:
    found = {}
    for name, (key_at, value_at) in at.entries().items():
        if name not in HEADERS:
            key_at.fail(f'HTTP header "{name}" can not be configured')
        value = kinds.header_value(value_at)
        choices = _CHOICES.get(name)
        if value and choices and value.lower() not in choices:
            value_at.fail(f"must be one of {', '.join(choices)}")
        found[name] = value
    return found


@record
class HTTPServerConfig(Section):
    """HTTP/2, which is accepted and not spoken, and headers of all answers."""

    http2: bool = opt(kinds.boolean, True)
    headers: Mapping[str, str] = opt(Kind(_headers, dict, {}), {})


def _users(at: At) -> Mapping[str, Secret]:
    found = {}
    for name, (_, value_at) in at.entries().items():
        text = value_at.text()
        matched = _BCRYPT.fullmatch(text)
        if matched is None or not 4 <= int(matched.group(1)) <= 31:
            value_at.fail('is not a bcrypt hash, as `htpasswd -nBC 10 ""` prints one')
        found[name] = Secret(text)
    return found


@record
class RateLimitConfig(Section):
    """One request each `interval` (ms), and up to `burst` at once; 0 for no limit."""

    interval: int = opt(kinds.duration, 0)
    burst: int = opt(kinds.unsigned, 0)


@record
class WebConfig(Section):
    """The whole file; with nothing in it, a server is as open as without one."""

    tls_server_config: TLSServerConfig | None = opt(maybe(TLSServerConfig), None)
    http_server_config: HTTPServerConfig = opt(section(HTTPServerConfig), HTTPServerConfig())
    basic_auth_users: Mapping[str, Secret] = opt(
        Kind(_users, lambda users: dict.fromkeys(users, "<secret>"), {}), {}
    )
    rate_limit: RateLimitConfig = opt(section(RateLimitConfig), RateLimitConfig())


def load_web(path: str | Path) -> WebConfig:
    """The configuration in a file. Raises ConfigError with file, line, column and field."""
    return WebConfig.read(parse(read_text(path), str(path)))

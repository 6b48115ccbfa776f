"""The file of modules: how to probe, under a name. The format of blackbox_exporter.

What this exporter does not do (gRPC, WebSockets, CEL expressions…) is refused by name, so that no
probe passes for want of a check.
"""

from __future__ import annotations

from typing import Any

import msgspec

from promlab.config.document import At, parse, read_text
from promlab.errors import ConfigError
from promlab.model.durations import parse_duration_ms
from promlab.model.matchers import BadRegex, compile_regex

Status = int


class TLSConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How to check a server's certificate, and what to show of one's own."""

    insecure_skip_verify: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""


class HeaderMatch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A header that makes a probe fail when its value does, or does not, match."""

    header: str
    regexp: str
    allow_missing: bool = False


class BasicAuth(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A name and a password."""

    username: str = ""
    password: str = ""
    password_file: str = ""


class OAuth2(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where to get a token, and as whom."""

    client_id: str
    token_url: str
    client_secret: str = ""
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ()
    endpoint_params: dict[str, str] = {}
    tls_config: TLSConfig = TLSConfig()


class HTTPProbe(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An HTTP request and what its answer must be."""

    method: str = "GET"
    valid_status_codes: tuple[Status, ...] = ()
    valid_http_versions: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    body: str = ""
    body_file: str = ""
    body_size_limit: int = 10 << 20
    compression: str = ""
    no_follow_redirects: bool = False
    follow_redirects: bool = True
    fail_if_ssl: bool = False
    fail_if_not_ssl: bool = False
    fail_if_body_matches_regexp: tuple[str, ...] = ()
    fail_if_body_not_matches_regexp: tuple[str, ...] = ()
    fail_if_header_matches: tuple[HeaderMatch, ...] = ()
    fail_if_header_not_matches: tuple[HeaderMatch, ...] = ()
    preferred_ip_protocol: str = "ip6"
    ip_protocol_fallback: bool = True
    tls_config: TLSConfig = TLSConfig()
    basic_auth: BasicAuth | None = None
    bearer_token: str = ""
    bearer_token_file: str = ""
    oauth2: OAuth2 | None = None


class Exchange(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A line to wait for, one to send, or the switch to TLS."""

    expect: str = ""
    send: str = ""
    starttls: bool = False


class TCPProbe(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A connection, and perhaps a conversation."""

    query_response: tuple[Exchange, ...] = ()
    tls: bool = False
    tls_config: TLSConfig = TLSConfig()
    preferred_ip_protocol: str = "ip6"
    ip_protocol_fallback: bool = True
    source_ip_address: str = ""


class UnixProbe(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A connection to a Unix socket, and perhaps a conversation."""

    query_response: tuple[Exchange, ...] = ()
    tls: bool = False
    tls_config: TLSConfig = TLSConfig()


class Records(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Expressions on the records of one section of a DNS answer."""

    fail_if_matches_regexp: tuple[str, ...] = ()
    fail_if_all_match_regexp: tuple[str, ...] = ()
    fail_if_not_matches_regexp: tuple[str, ...] = ()
    fail_if_none_matches_regexp: tuple[str, ...] = ()


class DNSProbe(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A DNS question and what its answer must be."""

    query_name: str = ""
    query_type: str = "ANY"
    query_class: str = "IN"
    recursion_desired: bool = True
    transport_protocol: str = "udp"
    valid_rcodes: tuple[str, ...] = ("NOERROR",)
    validate_answer_rrs: Records = Records()
    validate_authority_rrs: Records = Records()
    validate_additional_rrs: Records = Records()
    preferred_ip_protocol: str = "ip6"
    ip_protocol_fallback: bool = True
    source_ip_address: str = ""


class ICMPProbe(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An echo request."""

    preferred_ip_protocol: str = "ip6"
    ip_protocol_fallback: bool = True
    payload_size: int = 28
    ttl: int = 0
    source_ip_address: str = ""


class Module(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One way to probe."""

    prober: str
    timeout: str = "0s"
    http: HTTPProbe = HTTPProbe()
    tcp: TCPProbe = TCPProbe()
    unix: UnixProbe = UnixProbe()
    dns: DNSProbe = DNSProbe()
    icmp: ICMPProbe = ICMPProbe()

    @property
    def timeout_s(self) -> float:
        """The longest a probe may take, 0 for what the scrape allows."""
        return parse_duration_ms(self.timeout) / 1000


PROBERS = ("http", "tcp", "unix", "dns", "icmp")
DEFAULT = Module("http")
_PATTERNS = (
    "fail_if_body_matches_regexp",
    "fail_if_body_not_matches_regexp",
    "fail_if_matches_regexp",
    "fail_if_all_match_regexp",
    "fail_if_not_matches_regexp",
    "fail_if_none_matches_regexp",
    "regexp",
    "expect",
)


class ModulesFile(msgspec.Struct, forbid_unknown_fields=True):
    """Modules by name."""

    modules: dict[str, Module] = {}


def load(path: str) -> dict[str, Module]:
    """The modules of a file. Raises ConfigError with the path of what is wrong."""
    at = parse(read_text(path), path)
    document = {} if at.is_null else _texts(at)
    try:
        found = msgspec.convert(document, ModulesFile, strict=False).modules
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), path=path) from None
    for name, module in found.items():
        _check(module, name, path)
    return found


def _texts(at: At) -> Any:
    """The document with all scalars as texts: a header's value `yes` or `1` is meant so.

    Sections that nothing stands in are left out.
    """
    match at.tag:
        case "map":
            return {
                key: _texts(value)
                for key, (_, value) in at.entries().items()
                if not (value.is_null and key in ("modules", *PROBERS))
            }
        case "seq":
            return [_texts(item) for item in at.items()]
    return at.text()


def _check(module: Module, name: str, path: str) -> None:
    where = f"modules.{name}"
    if module.prober not in PROBERS:
        raise ConfigError(
            f"no prober {module.prober!r}: there are {', '.join(PROBERS)}",
            path=path,
            field=f"{where}.prober",
        )
    try:
        parse_duration_ms(module.timeout)
    except ValueError as error:
        raise ConfigError(str(error), path=path, field=f"{where}.timeout") from None
    auth = module.http
    if (
        sum(map(bool, (auth.basic_auth, auth.bearer_token, auth.bearer_token_file, auth.oauth2)))
        > 1
    ):
        raise ConfigError(
            "at most one of basic_auth, bearer_token, bearer_token_file and oauth2 may be given",
            path=path,
            field=f"{where}.http",
        )
    if module.prober == "dns" and not module.dns.query_name:
        raise ConfigError("query_name must be given", path=path, field=f"{where}.dns")
    _check_patterns(msgspec.to_builtins(getattr(module, module.prober)), where, path)


def _check_patterns(value: Any, where: str, path: str) -> None:
    if isinstance(value, dict):
        for key, part in value.items():
            if key in _PATTERNS:
                for pattern in [part] if isinstance(part, str) else part:
                    _check_pattern(pattern, f"{where}.{key}", path)
            else:
                _check_patterns(part, f"{where}.{key}", path)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_patterns(part, where, path)


def _check_pattern(pattern: str, where: str, path: str) -> None:
    try:
        compile_regex(pattern)
    except BadRegex as error:
        raise ConfigError(str(error), path=path, field=where) from None

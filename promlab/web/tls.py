"""TLS of a server, from its web configuration; suites and curves are those of Go's programs."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from ipaddress import ip_address
from typing import Any

from promlab.config.tls_files import VERSIONS, as_file
from promlab.config.web import ASKING, VERIFYING, TLSServerConfig
from promlab.errors import ConfigError
from promlab.web.openssl import accept_any_certificate, name_authorities, set_groups

# Go's names for OpenSSL's; those of TLS 1.3 can't be chosen, here as there.
_SUITES = {
    f"TLS_ECDHE_{kind}_WITH_{cipher}": f"ECDHE-{kind}-{name}"
    for cipher, name in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
    )
    for kind in ("ECDSA", "RSA")
}
_TLS13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
_CURVES = {"CurveP256": "P-256", "CurveP384": "P-384", "CurveP521": "P-521", "X25519": "X25519"}
_OLD = ("TLS10", "TLS11")


def server_context(config: TLSServerConfig, path: str = "") -> ssl.SSLContext:
    """What connections are secured with. Raises ConfigError if something can't be used."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = VERSIONS[config.min_version or "TLS12"]
            context.maximum_version = VERSIONS[config.max_version or "TLS13"]
        with (
            as_file(config.cert_file, config.cert) as cert,
            as_file(config.key_file, config.key.reveal()) as key,
        ):
            context.load_cert_chain(cert, key)
        if config.prefer_server_cipher_suites:
            context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        _choose(context, config)
        _ask_clients(context, config)
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        file = getattr(error, "filename", None) or config.cert_file or path
        raise ConfigError(f"unable to use TLS settings: {reason}", path=str(file)) from None
    return context


def _choose(context: ssl.SSLContext, config: TLSServerConfig) -> None:
    """Suites, and the curves that keys are agreed on over."""
    unknown = [name for name in config.cipher_suites if name not in _SUITES and name not in _TLS13]
    unknown += [name for name in config.curve_preferences if name not in _CURVES]
    if unknown:
        raise ValueError(f"not known: {', '.join(unknown)}")
    suites = [_SUITES[name] for name in config.cipher_suites or _SUITES if name in _SUITES]
    if not suites:
        # Nothing is left for older versions.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    else:
        # OpenSSL lets the oldest versions in at its lowest level only.
        level = ["@SECLEVEL=0"] if config.min_version in _OLD else []
        context.set_ciphers(":".join([*suites, *level]))
    if config.curve_preferences:
        set_groups(context, [_CURVES[name] for name in config.curve_preferences])


def _ask_clients(context: ssl.SSLContext, config: TLSServerConfig) -> None:
    kind = config.client_auth_type
    if kind not in ASKING:
        return
    required = kind.startswith("Require")
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    if config.client_ca_file or config.client_ca:
        with as_file(config.client_ca_file, config.client_ca) as file:
            context.load_verify_locations(file)
            with contextlib.suppress(ValueError):  # a hint, which clients can do without
                name_authorities(context, file)
    elif kind in VERIFYING:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    if kind not in VERIFYING:
        accept_any_certificate(context)


def name_is_allowed(transport: asyncio.Transport, config: TLSServerConfig) -> bool:
    """Whether a client's certificate carries one of the names that are asked for, if any are."""
    secured = transport.get_extra_info("ssl_object") if config.client_allowed_sans else None
    return certificate_is_allowed(secured.getpeercert() if secured is not None else None, config)


def certificate_is_allowed(certificate: Any, config: TLSServerConfig) -> bool:
    """Whether a certificate, as the ssl module decodes it, may be shown here."""
    allowed = config.client_allowed_sans
    if not allowed or config.client_auth_type not in ASKING:
        return True
    found = (certificate or {}).get("subjectAltName", ())
    return bool({_shown(kind, str(name)) for kind, name in found} & set(allowed))


def _shown(kind: str, name: str) -> str:
    """A name as a configuration has it: the ssl module prints addresses in a way of its own."""
    if kind != "IP Address":
        return name
    try:
        return str(ip_address(name.strip()))
    except ValueError:
        return name

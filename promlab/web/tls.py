"""TLS of a server, from its web configuration."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from typing import Any

from promlab.config.tls_files import VERSIONS, as_file
from promlab.config.web import TLSServerConfig
from promlab.errors import ConfigError

# Go's names for OpenSSL's; those of TLS 1.3 can't be chosen, here as there.
_SUITES = {
    f"TLS_{exchange}_WITH_{cipher}": name
    for exchange, prefix in (
        ("ECDHE_RSA", "ECDHE-RSA-"),
        ("ECDHE_ECDSA", "ECDHE-ECDSA-"),
        ("RSA", ""),
    )
    for cipher, name in (
        ("AES_128_GCM_SHA256", f"{prefix}AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", f"{prefix}AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", f"{prefix}CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA", f"{prefix}AES128-SHA"),
        ("AES_128_CBC_SHA256", f"{prefix}AES128-SHA256"),
        ("AES_256_CBC_SHA", f"{prefix}AES256-SHA"),
    )
}
_TLS13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1"}
_AUTO_CURVES = {"X25519", "X25519MLKEM768"}  # OpenSSL offers them by itself


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
    unknown = [name for name in config.cipher_suites if name not in _SUITES and name not in _TLS13]
    unknown += [
        name
        for name in config.curve_preferences
        if name not in _CURVES and name not in _AUTO_CURVES
    ]
    if unknown:
        raise ValueError(f"not known: {', '.join(unknown)}")
    suites = [_SUITES[name] for name in config.cipher_suites if name in _SUITES]
    if suites:
        context.set_ciphers(":".join(suites))
    curves = [_CURVES[name] for name in config.curve_preferences if name in _CURVES]
    if curves and not set(config.curve_preferences) & _AUTO_CURVES:
        context.set_ecdh_curve(curves[0])


def _ask_clients(context: ssl.SSLContext, config: TLSServerConfig) -> None:
    kind = config.client_auth_type
    if kind in ("RequestClientCert", "RequireAnyClientCert"):
        raise ValueError(
            f"client_auth_type {kind} asks for certificates that nobody verifies: "
            "use VerifyClientCertIfGiven or RequireAndVerifyClientCert"
        )
    if kind in ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert"):
        required = kind == "RequireAndVerifyClientCert"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        context.load_verify_locations(
            config.client_ca_file or None, cadata=config.client_ca or None
        )


def name_is_allowed(transport: asyncio.Transport, allowed: tuple[str, ...]) -> bool:
    """Whether a client's certificate carries one of these names, where any are asked for."""
    secured = transport.get_extra_info("ssl_object") if allowed else None
    return certificate_is_allowed(secured.getpeercert() if secured is not None else None, allowed)


def certificate_is_allowed(certificate: Any, allowed: tuple[str, ...]) -> bool:
    """Whether a certificate, as the ssl module decodes it, carries one of these names, if any."""
    names = {str(name) for _, name in (certificate or {}).get("subjectAltName", ())}
    return not allowed or bool(names & set(allowed))

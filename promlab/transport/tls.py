"""TLS as a client: certificates, versions, what is verified."""

from __future__ import annotations

import ssl
import time
import warnings
from functools import lru_cache
from pathlib import Path

from promlab.config.http_client import TLSConfig
from promlab.config.tls_files import VERSIONS, as_file
from promlab.errors import ConfigError, ScrapeError

# A file that has changed counts after this long at the latest.
_LOOK_S = 1.0


def tls_context(config: TLSConfig) -> ssl.SSLContext:
    """The TLS settings of a client. Raises ConfigError if a certificate can't be used."""
    return _default_context() if config == TLSConfig() else _own_context(config)


@lru_cache(maxsize=1)
def _default_context() -> ssl.SSLContext:
    """Shared: loading the system's certificates takes milliseconds."""
    return _own_context(TLSConfig())


def _own_context(config: TLSConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        if config.ca_file or config.ca:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(config.ca_file or None, cadata=config.ca or None)
        if config.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        with warnings.catch_warnings():
            # Versions that nobody should use are still what some devices speak.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = VERSIONS[config.min_version or "TLS12"]
            if config.max_version:
                context.maximum_version = VERSIONS[config.max_version]
        if config.cert_file or config.cert:
            with (
                as_file(config.cert_file, config.cert) as cert,
                as_file(config.key_file, config.key.reveal()) as key,
            ):
                context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        path = getattr(error, "filename", None) or config.ca_file or config.cert_file
        raise ConfigError(f"unable to use TLS settings: {reason.lower()}", path=str(path)) from None
    return context


class KeptContext:
    """The context of one section, made anew where its files have changed.

    Raises ConfigError if it can't be used from the start. System certificates, which take
    milliseconds to load, are loaded for whoever really asks with TLS.
    """

    def __init__(self, config: TLSConfig) -> None:
        self._config = config
        self._files = [file for file in (config.ca_file, config.cert_file, config.key_file) if file]
        self._stamps = self._now()
        self._looked_s = time.monotonic()
        self._context = tls_context(config) if config != TLSConfig() else None

    def context(self) -> ssl.SSLContext:
        """What a connection is secured with now. Raises ScrapeError where files have gone bad."""
        if self._context is None:
            self._context = tls_context(self._config)
        if self._files and time.monotonic() - self._looked_s >= _LOOK_S:
            stamps = self._now()
            if stamps != self._stamps:
                try:
                    self._context = tls_context(self._config)
                except ConfigError as error:
                    raise ScrapeError(str(error)) from None
                self._stamps = stamps
            self._looked_s = time.monotonic()
        return self._context

    def _now(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self._files]


def _stamp(file: str) -> tuple[int, int, int] | None:
    """What tells a file from the one that stood there before."""
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

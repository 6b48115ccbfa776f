"""TLS between peers: `tls_server_config` and `tls_client_config` of one file."""

from __future__ import annotations

import ssl

from promlab.config import kinds
from promlab.config.document import At, parse, read_text
from promlab.config.http_client import TLSConfig
from promlab.config.section import Section, maybe, opt, record
from promlab.errors import ConfigError
from promlab.transport.session import tls_context


@record
class ServerTLS(Section):
    """What a peer shows to those who connect, and asks of them."""

    cert_file: str = opt(kinds.path, "")
    key_file: str = opt(kinds.path, "")
    client_ca_file: str = opt(kinds.path, "")
    client_auth_type: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """A server has a certificate."""
        if not self.cert_file or not self.key_file:
            at.fail("cert_file and key_file must be configured")


@record
class ClusterTLS(Section):
    """The file of --cluster.tls-config."""

    tls_server_config: ServerTLS | None = opt(maybe(ServerTLS), None)
    tls_client_config: TLSConfig | None = opt(maybe(TLSConfig), None)

    def check(self, at: At) -> None:
        """Peers are servers and clients."""
        if self.tls_server_config is None:
            at.fail("missing 'tls_server_config' entry in the TLS configuration")
        if self.tls_client_config is None:
            at.fail("missing 'tls_client_config' entry in the TLS configuration")


def contexts(path: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For listening and for connecting. Raises ConfigError."""
    found = ClusterTLS.read(parse(read_text(path), path))
    assert found.tls_server_config is not None
    assert found.tls_client_config is not None
    server = found.tls_server_config
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(server.cert_file, server.key_file)
        if server.client_ca_file:
            context.load_verify_locations(server.client_ca_file)
        if server.client_auth_type in ("RequireAndVerifyClientCert", "RequireAnyClientCert"):
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"unable to use TLS settings: {reason}", path=path) from None
    return context, tls_context(found.tls_client_config)

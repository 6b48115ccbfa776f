"""TLS between peers: `tls_server_config` and `tls_client_config` of one file."""

from __future__ import annotations

import ssl
from typing import NamedTuple

from promlab.config.document import At, parse, read_text
from promlab.config.http_client import TLSConfig
from promlab.config.section import Section, maybe, opt, record
from promlab.config.web import TLSServerConfig
from promlab.transport.tls import tls_context
from promlab.web.tls import server_context


@record
class ClusterTLS(Section):
    """The file of --cluster.tls-config."""

    tls_server_config: TLSServerConfig | None = opt(maybe(TLSServerConfig), None)
    tls_client_config: TLSConfig | None = opt(maybe(TLSConfig), None)

    def check(self, at: At) -> None:
        """Peers are servers and clients."""
        if self.tls_server_config is None:
            at.fail("missing 'tls_server_config' entry in the TLS configuration")
        if self.tls_client_config is None:
            at.fail("missing 'tls_client_config' entry in the TLS configuration")


class Contexts(NamedTuple):
    """For listening and for connecting, and the name that peers' certificates are for."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    server_name: str | None


def contexts(path: str) -> Contexts:
    """What a file asks for. Raises ConfigError."""
    found = ClusterTLS.read(parse(read_text(path), path))
    server, client = found.tls_server_config, found.tls_client_config
    assert server is not None
    assert client is not None
    return Contexts(server_context(server, path), tls_context(client), client.server_name or None)

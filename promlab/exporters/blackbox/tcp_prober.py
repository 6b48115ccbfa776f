"""A TCP connection, perhaps with TLS, perhaps with a conversation."""

from __future__ import annotations

import socket

from promlab.exporters.blackbox.conversation import converse, expects_nothing_yet
from promlab.exporters.blackbox.modules import Module
from promlab.exporters.blackbox.probe import Probe, ProbeFailed, split_host_port


def run(target: str, module: Module, probe: Probe) -> None:
    """Probe; returns when all is well. Raises ProbeFailed."""
    config = module.tcp
    host, port = split_host_port(target)
    address = probe.resolve(host, config.preferred_ip_protocol, config.ip_protocol_fallback)
    source = (config.source_ip_address, 0) if config.source_ip_address else None
    if config.query_response:
        expects_nothing_yet(probe)
    try:
        with socket.create_connection((address, port), probe.left_s, source) as line:
            probe.log(f"connected to {address}:{port}")
            converse(
                line, probe, config.query_response,
                tls=config.tls_config, at_once=config.tls, host=host,
            )  # fmt: skip
    except OSError as error:
        raise ProbeFailed(f"{target}: {error}") from None

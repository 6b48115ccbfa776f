"""A Unix socket, perhaps with TLS, perhaps with a conversation. The target is its path."""

from __future__ import annotations

import socket

from promlab.exporters.blackbox.conversation import converse, expects_nothing_yet
from promlab.exporters.blackbox.modules import Module
from promlab.exporters.blackbox.probe import Probe, ProbeFailed


def run(target: str, module: Module, probe: Probe) -> None:
    """Probe; returns when all is well. Raises ProbeFailed."""
    config, path = module.unix, target.removeprefix("unix://").removeprefix("unix:")
    if config.query_response:
        expects_nothing_yet(probe)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(probe.left_s)
            line.connect(path)
            probe.log(f"connected to {path}")
            converse(
                line, probe, config.query_response,
                tls=config.tls_config, at_once=config.tls, host="localhost",
            )  # fmt: skip
    except (OSError, ValueError) as error:  # a path may be too long, or hold a null byte
        raise ProbeFailed(f"{target}: {error}") from None

"""A TCP connection, perhaps with TLS, perhaps with a conversation."""

from __future__ import annotations

import socket
import ssl
import time

from promlab.exporters.blackbox.modules import Exchange, Module, TCPProbe
from promlab.exporters.blackbox.probe import (
    Probe,
    ProbeFailed,
    measure_tls,
    split_host_port,
    tls_context,
)
from promlab.model.matchers import compile_regex

_MAX_LINE = 64 << 10
_FAILED_REGEX = "Whether the probe failed because of an expression."


def run(target: str, module: Module, probe: Probe) -> None:
    """Probe; returns when all is well. Raises ProbeFailed."""
    config = module.tcp
    host, port = split_host_port(target)
    address = probe.resolve(host, config.preferred_ip_protocol, config.ip_protocol_fallback)
    source = (config.source_ip_address, 0) if config.source_ip_address else None
    if config.query_response:
        probe.measure("probe_failed_due_to_regex", _FAILED_REGEX, 0)
    try:
        with socket.create_connection((address, port), probe.left_s, source) as line:
            probe.log(f"connected to {address}:{port}")
            talk = _Talk(line, host, config, probe)
            if config.tls:
                talk.start_tls()
            for exchange in config.query_response:
                talk.exchange(exchange)
            talk.close()
    except (OSError, ssl.SSLError) as error:
        raise ProbeFailed(f"{target}: {error}") from None


class _Talk:
    """A conversation by lines."""

    def __init__(self, line: socket.socket, host: str, config: TCPProbe, probe: Probe) -> None:
        self._line, self._host, self._config, self._probe = line, host, config, probe
        self._rest = b""
        self._groups: tuple[str, ...] = ()

    def start_tls(self) -> None:
        """Go on with TLS."""
        self._line.settimeout(self._probe.left_s)
        name = self._config.tls_config.server_name or self._host
        context = tls_context(self._config.tls_config)
        secure = context.wrap_socket(self._line, server_hostname=name)
        measure_tls(self._probe, secure)
        self._line, self._rest = secure, b""

    def exchange(self, exchange: Exchange) -> None:
        """Wait for a line, answer, or switch to TLS."""
        if exchange.expect:
            self._wait_for(exchange.expect)
        if exchange.send:
            text = exchange.send
            for i, group in enumerate(self._groups, 1):
                text = text.replace(f"${{{i}}}", group)
            self._probe.log(f"sending {text!r}")
            self._line.settimeout(self._probe.left_s)
            self._line.sendall(f"{text}\n".encode())
        if exchange.starttls:
            self.start_tls()

    def close(self) -> None:
        """End TLS, if there is any; the socket closes itself."""
        if isinstance(self._line, ssl.SSLSocket):
            self._line.close()

    def _wait_for(self, pattern: str) -> None:
        expected = compile_regex(pattern)
        started = time.perf_counter()
        while True:
            try:
                line = self._read_line()
            except (ProbeFailed, OSError) as error:
                self._probe.measure("probe_failed_due_to_regex", _FAILED_REGEX, 1)
                raise ProbeFailed(f"no line matched {pattern!r}: {error}") from None
            found = expected.search(line)
            if found:
                self._groups = tuple(group or "" for group in found.groups())
                self._probe.log(f"{line!r} after {time.perf_counter() - started:.3f} s")
                return

    def _read_line(self) -> str:
        while b"\n" not in self._rest:
            if len(self._rest) > _MAX_LINE:
                raise ProbeFailed("a line has no end")
            self._line.settimeout(self._probe.left_s)
            part = self._line.recv(4096)
            if not part:
                raise ProbeFailed("the connection was closed")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace").removesuffix("\r")

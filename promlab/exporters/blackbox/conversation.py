"""A conversation by lines over a connection, which may switch to TLS: for TCP and Unix sockets."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable

from promlab.exporters.blackbox.modules import Exchange, TLSConfig
from promlab.exporters.blackbox.probe import Probe, ProbeFailed, measure_tls, tls_context
from promlab.model.matchers import compile_regex

_MAX_LINE = 64 << 10
_FAILED_REGEX = "Whether the probe failed because of an expression."


def converse(
    line: socket.socket,
    probe: Probe,
    exchanges: Iterable[Exchange],
    *,
    tls: TLSConfig,
    at_once: bool,
    host: str,
) -> None:
    """Say and hear what is to be; with TLS `at_once` or when it is its turn.

    `host` is whom the certificate is for, unless `tls` says. Raises ProbeFailed, OSError.
    """
    talk = _Talk(line, host, tls, probe)
    try:
        if at_once:
            talk.start_tls()
        for exchange in exchanges:
            talk.exchange(exchange)
    finally:
        talk.close()


def expects_nothing_yet(probe: Probe) -> None:
    """Say that no expression has failed so far."""
    probe.measure("probe_failed_due_to_regex", _FAILED_REGEX, 0)


class _Talk:
    """A conversation by lines."""

    def __init__(self, line: socket.socket, host: str, tls: TLSConfig, probe: Probe) -> None:
        self._line, self._host, self._tls, self._probe = line, host, tls, probe
        self._rest = b""
        self._groups: tuple[str, ...] = ()

    def start_tls(self) -> None:
        """Go on with TLS."""
        self._line.settimeout(self._probe.left_s)
        name = self._tls.server_name or self._host
        context = tls_context(self._tls)
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

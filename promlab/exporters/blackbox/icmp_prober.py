"""An ICMP echo, over an unprivileged socket where the system allows it, or a raw one."""

from __future__ import annotations

import os
import socket
import struct
import time

from promlab.exporters.blackbox.modules import Module
from promlab.exporters.blackbox.probe import Probe, ProbeFailed

_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
_PHASES = "Duration of the request by phase."


def run(target: str, module: Module, probe: Probe) -> None:
    """Probe; returns when all is well. Raises ProbeFailed."""
    config = module.icmp
    started = time.perf_counter()
    address = probe.resolve(target, config.preferred_ip_protocol, config.ip_protocol_fallback)
    _phase(probe, "resolve", time.perf_counter() - started)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    started = time.perf_counter()
    with _socket(family) as line:
        if config.source_ip_address:
            line.bind((config.source_ip_address, 0))
        if config.ttl:
            level = (
                (socket.IPPROTO_IP, socket.IP_TTL)
                if family == socket.AF_INET
                else (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
            )
            line.setsockopt(*level, config.ttl)
        _phase(probe, "setup", time.perf_counter() - started)
        payload = os.urandom(8) + bytes(max(0, config.payload_size - 8))
        packet = _packet(_REQUEST[family], payload, family)
        started = time.perf_counter()
        try:
            line.sendto(packet, (address, 0))
            _await_reply(line, family, payload, probe)
        except OSError as error:
            raise ProbeFailed(f"{target}: {error}") from None
        _phase(probe, "rtt", time.perf_counter() - started)


def _socket(family: socket.AddressFamily) -> socket.socket:
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return socket.socket(family, kind, protocol)
        except PermissionError:
            continue
        except OSError as error:
            raise ProbeFailed(f"no ICMP here: {error}") from None
    raise ProbeFailed("ICMP is not allowed: see net.ipv4.ping_group_range, or give CAP_NET_RAW")


def _await_reply(
    line: socket.socket, family: socket.AddressFamily, payload: bytes, probe: Probe
) -> None:
    while True:
        line.settimeout(probe.left_s)
        data, sender = line.recvfrom(65536)
        if line.type == socket.SOCK_RAW and family == socket.AF_INET:
            data = data[(data[0] & 0x0F) * 4 :]  # a raw socket gives the IP header too
        if data[:1] == bytes([_REPLY[family]]) and data[8:] == payload:
            probe.log(f"reply from {sender[0]}")
            return


def _packet(kind: int, payload: bytes, family: socket.AddressFamily) -> bytes:
    head = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)
    if family == socket.AF_INET6:
        return head + payload  # the kernel adds the checksum
    return (
        struct.pack("!BBHHH", kind, 0, _checksum(head + payload), os.getpid() & 0xFFFF, 1) + payload
    )


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _phase(probe: Probe, phase: str, took_s: float) -> None:
    probe.measure("probe_icmp_duration_seconds", _PHASES, took_s, {"phase": phase})

"""A DNS server of our own, over UDP and TCP, on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dnslib import QTYPE, RCODE, RR, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer


class Zone(BaseResolver):
    """Records in zone file format; names in `broken` fail."""

    def __init__(self, text: str) -> None:
        self.records = RR.fromZone(text)
        self.broken: set[str] = set()
        self.asked: list[str] = []

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        reply = request.reply()
        name, kind = request.q.qname, request.q.qtype
        self.asked.append(str(name))
        if str(name) in self.broken:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        of_name = [record for record in self.records if record.rname == name]
        reply.add_answer(*[record for record in of_name if QTYPE[record.rtype] == QTYPE[kind]])
        if not of_name:
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


@contextmanager
def dns_server(zone: Zone, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """The server's port."""
    quiet = DNSLogger(logf=lambda _: None)
    udp = DNSServer(zone, address=address, port=port, logger=quiet)
    bound = udp.server.server_address[1]
    tcp = DNSServer(zone, address=address, port=bound, tcp=True, logger=quiet)
    udp.start_thread()
    tcp.start_thread()
    try:
        yield bound
    finally:
        for each in (udp, tcp):
            each.stop()
            each.server.server_close()
            each.thread.join()

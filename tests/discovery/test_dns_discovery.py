"""DNS: every record type, names that are not there, servers that fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dns.asyncresolver
import pytest
from discovering import label_sets
from local_dns import Zone, dns_server

from promlab.config.mechanisms.plain import Dns
from promlab.discovery import DiscoveryStats
from promlab.discovery.base import Surroundings
from promlab.discovery.dns import DnsDiscovery
from promlab.errors import DiscoveryError

MANY = "\n".join(f"many.lab. 60 IN A 10.1.{i // 256}.{i % 256}" for i in range(1500))
ZONE = f"""
web.lab. 60 IN A 10.0.0.1
web.lab. 60 IN A 10.0.0.2
web.lab. 60 IN AAAA fd00::1
_http._tcp.lab. 60 IN SRV 0 0 8080 a.lab.
_http._tcp.lab. 60 IN SRV 0 0 8081 b.lab.
lab. 60 IN MX 10 mail.lab.
lab. 60 IN NS ns1.lab.
empty.lab. 60 IN TXT "nothing else"
{MANY}
"""


class Local:
    """A zone that is served, and a resolver that asks it."""

    def __init__(self, zone: Zone, port: int) -> None:
        self.zone = zone
        self.resolver = dns.asyncresolver.Resolver(configure=False)
        self.resolver.nameservers, self.resolver.port = ["127.0.0.1"], port
        self.resolver.search = [dns.name.from_text("lab.")]
        self.stats = DiscoveryStats()

    def of(self, *names: str, **options: Any) -> DnsDiscovery:
        config = Dns(names=names, **options)
        return DnsDiscovery(config, Surroundings(self.stats, "a"), self.resolver)


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    zone = Zone(ZONE)
    with dns_server(zone) as port:
        yield Local(zone, port)


async def test_addresses(local: Local) -> None:
    assert label_sets(await local.of("web.lab", type="A", port=80).refresh()) == [
        {"__address__": "10.0.0.1:80", "__meta_dns_name": "web.lab"},
        {"__address__": "10.0.0.2:80", "__meta_dns_name": "web.lab"},
    ]
    (found,) = label_sets(await local.of("web.lab", type="AAAA", port=80).refresh())
    assert found["__address__"] == "[fd00::1]:80"


async def test_services(local: Local) -> None:
    found = label_sets(await local.of("_http._tcp.lab").refresh())
    assert found == [
        {
            "__address__": f"{host}:{port}",
            "__meta_dns_name": "_http._tcp.lab",
            "__meta_dns_srv_record_target": f"{host}.",
            "__meta_dns_srv_record_port": f"{port}",
        }
        for host, port in (("a.lab", 8080), ("b.lab", 8081))
    ]


@pytest.mark.parametrize(("kind", "target"), [("MX", "mail.lab."), ("NS", "ns1.lab.")])
async def test_mail_and_name_servers(local: Local, kind: str, target: str) -> None:
    assert label_sets(await local.of("lab.", type=kind, port=9).refresh()) == [
        {
            "__address__": f"{target[:-1]}:9",
            "__meta_dns_name": "lab.",
            f"__meta_dns_{kind.lower()}_record_target": target,
        }
    ]


async def test_search_domains_and_answers_too_large_for_udp(local: Local) -> None:
    found = label_sets(await local.of("many", type="A", port=80).refresh())
    assert len(found) == 1500
    assert {labels["__meta_dns_name"] for labels in found} == {"many"}


async def test_names_that_are_not_there_have_no_targets(local: Local) -> None:
    assert label_sets(await local.of("nowhere.lab", "empty.lab", type="A", port=1).refresh()) == []
    assert not local.stats.others["prometheus_sd_dns_lookup_failures_total", ()]


async def test_a_name_that_fails_keeps_its_targets(local: Local) -> None:
    looked_up = local.of("web.lab", "_http._tcp.lab", type="A", port=80)
    assert len(label_sets(await looked_up.refresh())) == 2
    local.zone.broken = {"web.lab.", "web.lab.lab."}
    try:
        assert len(label_sets(await looked_up.refresh())) == 2
        assert local.stats.refresh_failures["dns", "a"] == 1
        assert local.stats.others["prometheus_sd_dns_lookup_failures_total", ()] == 1
        with pytest.raises(DiscoveryError, match=r"could not resolve 'web\.lab'"):
            await local.of("web.lab", type="A", port=80).refresh()
    finally:
        local.zone.broken = set()


async def test_names_that_are_none_are_refused(local: Local) -> None:
    with pytest.raises(DiscoveryError, match="could not resolve"):
        await local.of("a" * 70 + ".lab", type="A", port=1).refresh()

"""Targets from DNS: A, AAAA, SRV, MX and NS records.

Each name is looked up as the system's resolver configuration says, its search domains included.
A name that does not exist has no targets; a server that fails or does not answer keeps the
targets of that name and counts as a failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver

from promlab.config.mechanisms.plain import Dns
from promlab.discovery.base import ADDRESS, META, Surroundings, TargetGroup, host_port
from promlab.discovery.refresh import Refreshing
from promlab.errors import DiscoveryError

LIFETIME_S = 10.0


class DnsDiscovery(Refreshing):
    """Looks up the names of one section."""

    mechanism = "dns"

    def __init__(
        self,
        config: Dns,
        around: Surroundings,
        resolver: dns.asyncresolver.Resolver | None = None,
    ) -> None:
        super().__init__(around, config.refresh_interval_ms / 1000)
        self.config = config
        self._resolver = resolver
        self._found: dict[str, TargetGroup] = {}

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all names; of a name that can't be looked up now, those that it had."""
        resolver = self._resolver
        if resolver is None:
            resolver = await asyncio.to_thread(_system_resolver)
        names = self.config.names
        looked_up = await asyncio.gather(*(self._look_up(resolver, name) for name in names))
        failed = [found for found in looked_up if isinstance(found, DiscoveryError)]
        for name, found in zip(names, looked_up, strict=True):
            if isinstance(found, TargetGroup):
                self._found[name] = found
        if failed and len(failed) == len(names):
            raise failed[0]
        for error in failed:
            self.failed(error)
        return list(self._found.values())

    async def _look_up(
        self, resolver: dns.asyncresolver.Resolver, name: str
    ) -> TargetGroup | DiscoveryError:
        stats = self.around.stats
        stats.count("prometheus_sd_dns_lookups_total")
        try:
            answer = await resolver.resolve(
                name, self.config.type, search=True, lifetime=LIFETIME_S, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            return TargetGroup(name)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            stats.count("prometheus_sd_dns_lookup_failures_total")
            return DiscoveryError(f"could not resolve {name!r}: {error}")
        records = answer.rrset or ()
        return TargetGroup(name, tuple(self._target(name, record) for record in records))

    def _target(self, name: str, record: object) -> dict[str, str]:
        """Labels of one record."""
        kind, port = self.config.type, self.config.port
        target = port_label = mx = ns = srv = ""
        if kind in ("A", "AAAA"):
            host = str(record.address)  # type: ignore[attr-defined]
        else:
            field = "exchange" if kind == "MX" else "target"
            target = str(getattr(record, field))
            host = target.removesuffix(".")
        if kind == "SRV":
            port = record.port  # type: ignore[attr-defined]
            srv, port_label = target, str(port)
        elif kind == "MX":
            mx = target
        elif kind == "NS":
            ns = target
        return {
            ADDRESS: host_port(host, port),
            f"{META}dns_name": name,
            f"{META}dns_srv_record_target": srv,
            f"{META}dns_srv_record_port": port_label,
            f"{META}dns_mx_record_target": mx,
            f"{META}dns_ns_record_target": ns,
        }


def _system_resolver() -> dns.asyncresolver.Resolver:
    try:
        return dns.asyncresolver.Resolver()
    except dns.exception.DNSException as error:
        raise DiscoveryError(f"could not load the resolver's configuration: {error}") from None

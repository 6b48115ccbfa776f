"""DNS: the real Prometheus and ours ask the same server, and find the same targets.

Prometheus takes servers from /etc/resolv.conf and asks them on port 53: the test gives it a file of
its own in a mount namespace, and a server at an address of the loopback network.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.asyncresolver
import dns.name
import pytest
from discovering import Labels, label_sets
from local_dns import Zone, dns_server
from real_targets import Real, settle

from promlab.config import load_text
from promlab.discovery import DiscoveryStats
from promlab.discovery.base import Surroundings
from promlab.discovery.dns import DnsDiscovery
from tests.real_programs import listening

pytestmark = [pytest.mark.peers]

ZONE = """
web.lab. 60 IN A 10.0.0.1
web.lab. 60 IN A 10.0.0.2
web.lab. 60 IN AAAA fd00::1
alone.lab. 60 IN A 10.0.0.3
_http._tcp.lab. 60 IN SRV 0 0 8080 a.lab.
_http._tcp.lab. 60 IN SRV 5 9 8081 b.lab.
lab. 60 IN MX 10 mail.lab.
lab. 60 IN MX 20 mail2.lab.
lab. 60 IN NS ns1.lab.
"""
JOBS = {
    "a": ("{names: [web.lab], type: A, port: 80}", 2),
    "dotted": ("{names: [web.lab.], type: A, port: 80}", 2),
    "lower": ("{names: [web.lab], type: a, port: 80}", 2),
    "aaaa": ("{names: [web.lab], type: AAAA, port: 9100}", 1),
    "srv": ("{names: [_http._tcp.lab]}", 2),
    "mx": ("{names: [lab], type: MX, port: 25}", 2),
    "ns": ("{names: [lab], type: NS, port: 53}", 1),
    "searched": ("{names: [alone], type: A, port: 80}", 1),
    "several": ("{names: [web.lab, alone.lab, nowhere.lab], type: A, port: 80}", 3),
    "nowhere": ("{names: [nowhere.lab], type: A, port: 80}", 0),
}
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a server answers on port 53."""
    mount = [*UNSHARE, "mount", "--bind", "/dev/null", "/etc/resolv.conf"]
    if not shutil.which("unshare") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    found = ".".join(["127", *(str(1 + secrets.randbelow(250)) for _ in range(3))])
    with ExitStack() as stack:
        try:
            stack.enter_context(dns_server(Zone(ZONE), found, 53))
        except PermissionError:
            pytest.skip("port 53 is only for root here")
        yield found


@pytest.fixture(scope="module")
def real(peers: Path, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    folder = tmp_path_factory.mktemp("dns")
    (folder / "resolv.conf").write_text(f"nameserver {address}\nsearch lab\n")
    keep = "relabel_configs: [{action: labelmap, regex: '__meta_(.*)'}]"
    jobs = [
        f"- {{job_name: {name}, dns_sd_configs: [{section}], {keep}}}"
        for name, (section, _) in JOBS.items()
    ]
    config = "global: {scrape_interval: 1h}\nscrape_configs:\n" + "\n".join(jobs) + "\n"
    (folder / "p.yml").write_text(config)
    command = [
        *UNSHARE, "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"',
        folder / "resolv.conf", peers / "prometheus", f"--config.file={folder}/p.yml",
        f"--storage.tsdb.path={folder}/d",
    ]  # fmt: skip
    with listening(*command, log=folder / "log") as process:
        made = Real(process.url, {})
        settle(made, process, {name: count for name, (_, count) in JOBS.items() if count})
        yield made


async def ours(address: str, section: str) -> list[Labels]:
    job = load_text(f"scrape_configs: [{{job_name: a, dns_sd_configs: [{section}]}}]").jobs[0]
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.search = [address], [dns.name.from_text("lab.")]
    (config,) = job.discovery.mechanisms
    return label_sets(
        await DnsDiscovery(config, Surroundings(DiscoveryStats(), "a"), resolver).refresh()  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", JOBS)
async def test_the_real_one_finds_the_same(name: str, address: str, real: Real) -> None:
    section, count = JOBS[name]
    found = await ours(address, section)
    assert len(found) == count
    theirs = [{k: v for k, v in each.items() if v} for each in real.found().get(name, [])]
    assert found == sorted(theirs, key=lambda labels: sorted(labels.items()))

"""A case: a fake API, and the sections that ask it. Ours and the real one must find the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fake_api import FakeApi, Routes, serving
from fake_cloud import cloud, server_tls

from tests.moto_aws import KEYS, moto_server


@dataclass
class Case:
    """`section` is YAML of a scrape config; BASE, HOST and CLOUD stand for where the fake is.

    `targets` is how many must be found; with `hosts`, the fake answers for these names, behind a
    proxy that CLOUD names. `unix` serves on a socket, which SOCKET names; `tls` with a
    certificate, and TLS stands for host, port and what a client needs. `oracle` is the program that
    must find the same: the Prometheus at hand need not have every mechanism, vmagent has more.
    """

    name: str
    section: str
    routes: Routes | Callable[[str], Routes]
    targets: int
    hosts: tuple[str, ...] = ()
    unix: bool = False
    tls: bool = False
    oracle: str = "Prometheus"
    files: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def served(self, folder: Path) -> Iterator[tuple[str, FakeApi]]:
        """The section with its places filled in, while the fake runs."""
        folder.mkdir(parents=True, exist_ok=True)
        section = self.section.replace("FOLDER", str(folder))
        routes: Any = self.routes
        for name, text in self.files.items():
            (folder / name).write_text(text)
        if self.hosts:
            with cloud(routes, folder, *self.hosts) as found:
                yield section.replace("CLOUD", found.options), found.api
            return
        socket = str(folder / "s") if self.unix else ""
        tls = server_tls(folder) if self.tls else None
        with serving(routes if not callable(routes) else {}, unix=socket, tls=tls) as api:
            if callable(routes):
                api.routes = dict(routes(api.base))
            for name, text in self.files.items():
                (folder / name).write_text(text.replace("BASE", api.base))
            host = api.base.rpartition("/")[2]
            ca = f"tls_config: {{ca_file: '{folder / 'ca.pem'}'}}"
            place = f"endpoint: 127.0.0.1, port: {host.rpartition(':')[2]}, {ca}"
            section = section.replace("TLS", place) if self.tls else section
            filled = section.replace("BASE", api.base).replace("HOST", host)
            yield filled.replace("SOCKET", socket), api


@dataclass
class MotoCase(Case):
    """Instances in moto's EC2."""

    @contextmanager
    def served(self, folder: Path) -> Iterator[tuple[str, FakeApi]]:
        """The section, while moto runs."""
        import boto3

        with moto_server() as url:
            # A region of its own: all tests of a run share moto's memory.
            ec2: Any = boto3.client("ec2", region_name="us-west-2", endpoint_url=url, **KEYS)
            image = ec2.describe_images()["Images"][0]["ImageId"]
            tags = [{"Key": "team name", "Value": "lab"}]
            for _ in range(self.targets):
                ec2.run_instances(
                    ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro",
                    TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
                )  # fmt: skip
            yield self.section.replace("BASE", url), FakeApi({})

"""The AWS of the simulation: moto's server, and what is read from its memory.

moto keeps instances, key pairs and security groups; this module gives instances addresses of this
machine and says which machines there should be. It is the only one that knows moto's insides.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from promlab.lab.ec2 import lean_moto
from promlab.lab.ec2.firewall import Rule
from promlab.lab.ec2.places import Plan

ACCOUNT = "123456789012"
IMAGE = {
    "ami_id": "ami-0b0a7e5c0ffee2404",
    "name": "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260901",
    "description": "Ubuntu Server 24.04 LTS, as this lab stands in for it",
    "owner_id": "099720109477",
    "architecture": "x86_64",
    "virtualization_type": "hvm",
    "hypervisor": "xen",
    "image_location": "lab/ubuntu-noble-24.04",
    "image_type": "machine",
    "platform": None,
    "public": True,
    "root_device_name": "/dev/sda1",
    "root_device_type": "ebs",
    "sriov": "simple",
    "state": "available",
}


class Wanted(NamedTuple):
    """An instance as the API knows it."""

    id: str
    number: int  # its place among the addresses
    state: str  # pending, running, stopping, stopped, terminated
    key: bytes  # public key of its key pair, OpenSSH's form; empty without one
    user_data: bytes = b""  # what it runs at its first start


class Aws:
    """moto's server on a free port of the loopback interface, in threads of this process."""

    def __init__(self, folder: Path, plan: Plan, changed: Callable[[], None]) -> None:
        images = folder / "images.json"
        images.write_text(json.dumps([IMAGE]))
        os.environ["MOTO_AMIS_PATH"] = str(images)
        lean_moto.load()
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._plan, self._changed = plan, changed
        self._numbers: dict[str, int] = {}
        self._lock, self._is_new = threading.Lock(), True
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="aws", daemon=True).start()

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def instances(self) -> list[Wanted]:
        """All instances of all regions that were ever asked for."""
        with self._lock:
            return [
                Wanted(
                    one.id,
                    self._number(one.id),
                    str(one._state.name),
                    _public_key(backend, one.key_name),
                    _decoded(one.user_data),
                )
                for backend in _backends()
                for one in _instances(backend)
            ]

    def rules(self, instance_id: str) -> list[Rule]:
        """What the security groups of an instance let in, over IPv4."""
        found = []
        for backend in _backends():
            for one in _instances(backend):
                if one.id == instance_id:
                    groups = one.dynamic_group_list or one.security_groups
                    found += [rule for group in groups for rule in _rules(group)]
        return found

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        answer = list(self._app(environ, start_response))
        with self._lock:
            self._place_instances()
            if self._is_new:  # its first answer made moto's tables
                self._is_new = False
                lean_moto.trim()
        self._changed()
        return answer

    def _place_instances(self) -> None:
        """Give every running instance its addresses of this machine."""
        for backend in _backends():
            for one in _instances(backend):
                if one._state.name != "running" or not one.nics:
                    continue
                number = self._number(one.id)
                public, private = self._plan.public(number), self._plan.private(number)
                card = one.nics[0]
                card.public_ip, card.private_ip_address = public.host, private.host
                for address in card.private_ip_addresses:
                    address["PrivateIpAddress"] = private.host

    def _number(self, instance_id: str) -> int:
        return self._numbers.setdefault(instance_id, len(self._numbers))


def _backends() -> list[Any]:
    from moto.ec2.models import ec2_backends

    return list(ec2_backends[ACCOUNT].values()) if ACCOUNT in ec2_backends else []


def _instances(backend: Any) -> list[Any]:
    return [one for each in list(backend.reservations.values()) for one in each.instances]


def _public_key(backend: Any, name: str | None) -> bytes:
    pair = backend.key_pairs.get(name) if name else None
    material = getattr(pair, "material_public", b"") if pair else b""
    return material.encode() if isinstance(material, str) else bytes(material or b"")


def _decoded(user_data: Any) -> bytes:
    """User data is Base64 in the API."""
    try:
        return base64.b64decode(str(user_data or ""), validate=True)
    except ValueError:
        return b""


def _rules(group: Any) -> list[Rule]:
    found = []
    for rule in group.ingress_rules:
        cidr = (rule.ip_range or {}).get("CidrIp")
        if not cidr or str(rule.ip_protocol) not in ("tcp", "6", "-1"):
            continue
        everything = str(rule.ip_protocol) == "-1" or rule.from_port is None
        low, high = (0, 65_535) if everything else (int(rule.from_port), int(rule.to_port))
        found.append(Rule(cidr, low, high))
    return found

"""`Cloud`: AWS as the EC2 lab's cells see it, simulated or real.

    cloud = promlab.lab.ec2.open()            # simulated: no account, no network, no cost
    cloud = promlab.lab.ec2.open(real=True)   # your account: instances cost money until cleanup()

Everything that differs between the two is a method here; all the rest is boto3. In the simulated
one a child process does the work (host.py) and ends with this interpreter.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promlab.errors import NotReady, NotRunning, PromlabError, ServerError
from promlab.lab.children import Child

if TYPE_CHECKING:
    from promlab.lab.ec2.shell import Session

REGION = "eu-central-1"
_READY_S = 120.0
_TAG = "promlab-lab"
_UBUNTU = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"
_CANONICAL = "099720109477"
_opened: Cloud | None = None


def opened() -> Cloud:
    """The cloud that this interpreter has opened. Raises NotRunning."""
    if _opened is None or not _opened.alive:
        raise NotRunning("no cloud is open: cloud = promlab.lab.ec2.open()")
    return _opened


def open(*, real: bool = False, region: str = "") -> Cloud:
    """The simulated cloud of this interpreter, or your account on the real one.

    Called again it gives the same cloud. Raises ServerError if a package is missing or AWS does
    not accept your credentials.
    """
    global _opened
    if _opened is not None and _opened.alive and _opened.simulated is not real:
        return _opened
    _need("boto3", "asyncssh", *(() if real else ("moto", "flask")))
    if real:
        from promlab.lab.ec2.real_cloud import RealCloud

        _opened = RealCloud(region)
    else:
        _opened = SimulatedCloud()
    return _opened


def _need(*modules: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ServerError(
            f"the EC2 lab needs {', '.join(missing)}: pip install 'promlab[workshop]'"
        )


class Cloud:
    """What the simulated and the real cloud have in common."""

    simulated: bool
    region: str
    repository: str  # what `git clone` wants

    def __init__(self) -> None:
        self._keys: dict[str, Path] = {}

    @property
    def alive(self) -> bool:
        """Whether it can be used."""
        return True

    def client(self, service: str = "ec2") -> Any:
        """A boto3 client of one service."""
        import boto3

        return boto3.client(service, region_name=self.region, **self._client_options())

    def _client_options(self) -> dict[str, Any]:
        return {}

    def image(self) -> str:
        """Id of the newest image of Ubuntu 24.04."""
        found = self.client().describe_images(
            Owners=[_CANONICAL], Filters=[{"Name": "name", "Values": [_UBUNTU]}]
        )["Images"]
        if not found:
            raise ServerError(f"there is no image of Ubuntu 24.04 in {self.region}")
        return str(max(found, key=lambda image: image.get("CreationDate", ""))["ImageId"])

    def instance(self, instance_id: str) -> dict[str, Any]:
        """What the API says of one instance. Raises ServerError if there is none."""
        from botocore.exceptions import ClientError

        try:
            found = self.client().describe_instances(InstanceIds=[instance_id])
        except ClientError as error:
            raise ServerError(str(error.response["Error"]["Message"])) from None
        return dict(found["Reservations"][0]["Instances"][0])

    def address(self, instance_id: str, port: int) -> str:
        """`host:port` at which this notebook reaches a port of an instance."""
        host = self.instance(instance_id).get("PublicIpAddress")
        if not host:
            raise ServerError(f"{instance_id} has no public address: is it running?")
        host, port = self._outside(str(host), instance_id, port)
        return f"{host}:{port}"

    def _outside(self, host: str, instance_id: str, port: int) -> tuple[str, int]:
        return host, port

    def save_key(self, pair: Mapping[str, Any], folder: str | os.PathLike[str] = ".") -> Path:
        """Keep the private key that `create_key_pair` answered, readable by you alone."""
        from promlab.lab.ec2.shell import write_key

        name = str(pair["KeyName"])
        # Absolute: what `ssh_command` prints is typed in some other folder.
        path = write_key(str(pair["KeyMaterial"]), Path(folder).absolute() / f"{name}.pem")
        self._keys[name] = path
        return path

    def key_of(self, instance_id: str) -> Path:
        """The file of the key that an instance was launched with. Raises ServerError."""
        name = str(self.instance(instance_id).get("KeyName") or "")
        if not name:
            raise ServerError(f"{instance_id} was launched without a key pair: nobody can log in")
        return self._keys.get(name, Path(f"{name}.pem"))

    def ssh_command(self, instance_id: str) -> str:
        """What to type into a terminal to log in."""
        host, _, port = self.address(instance_id, 22).rpartition(":")
        key = shlex.quote(str(self.key_of(instance_id)))
        return f"ssh -i {key} -p {port} ubuntu@{host}"

    def shell(self, instance_id: str, key: str | os.PathLike[str] | None = None) -> Session:
        """A way to run commands on an instance. Raises ServerError."""
        from promlab.lab.ec2.shell import Session

        host, _, port = self.address(instance_id, 22).rpartition(":")
        return Session(host, int(port), "ubuntu", key or self.key_of(instance_id))

    def my_address(self) -> str:
        """The address that instances see this notebook come from, as a CIDR."""
        raise NotImplementedError

    def tags(self, name: str) -> list[dict[str, Any]]:
        """`TagSpecifications` of an instance that `cleanup` will find again."""
        tags = [{"Key": "Name", "Value": name}, {"Key": _TAG, "Value": "yes"}]
        return [{"ResourceType": "instance", "Tags": tags}]

    def user_data(self) -> str:
        """`UserData` of an instance: what it runs at its first start. Puts the lab's scripts there.

        Raises ServerError without git on this machine.
        """
        from promlab.lab.ec2 import repository

        return repository.user_data()

    def cleanup(self) -> list[str]:
        """Terminate every instance that carries `tags`; returns their ids."""
        ec2 = self.client()
        states = ["pending", "running", "stopping", "stopped"]
        filters = [
            {"Name": f"tag:{_TAG}", "Values": ["yes"]},
            {"Name": "instance-state-name", "Values": states},
        ]
        found = [
            str(instance["InstanceId"])
            for reservation in ec2.describe_instances(Filters=filters)["Reservations"]
            for instance in reservation["Instances"]
        ]
        if found:
            ec2.terminate_instances(InstanceIds=found)
        return found

    def stop(self) -> None:
        """Leave the cloud."""


class SimulatedCloud(Cloud):
    """An AWS on this machine's loopback interface."""

    simulated = True
    region = REGION

    def __init__(self) -> None:
        super().__init__()
        # A short path: sockets in it may have a hundred characters.
        self._folder = Path(tempfile.mkdtemp(prefix="promlab-ec2-", dir=_short_parent()))
        self._child = Child([str(self._folder)], module="promlab.lab.ec2.host")
        atexit.register(self.stop)
        try:
            ready = self._wait()
        except PromlabError:
            self.stop()
            raise
        self.endpoint, self.repository = str(ready["endpoint"]), str(ready["repository"])
        self._ssh_port = int(ready["ssh_port"])
        self.own_addresses = bool(ready["prefix"])

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._child.alive

    def my_address(self) -> str:
        """Every program of this machine is seen as this one."""
        return "127.0.0.1/32"

    def logs(self, n: int = 50) -> list[str]:
        """The last lines that the cloud's process wrote."""
        return self._child.lines(n)

    def disk(self, instance_id: str) -> Path:
        """The folder that is the `/` of an instance."""
        return self._folder / "disks" / instance_id

    def stop(self) -> None:
        """End all instances, and the cloud."""
        self._child.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def _client_options(self) -> dict[str, Any]:
        if not self.alive:
            raise NotRunning("the simulated cloud was stopped: open it with promlab.lab.ec2.open()")
        return {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": "lab",
            "aws_secret_access_key": "lab",  # moto takes any
        }

    def _outside(self, host: str, instance_id: str, port: int) -> tuple[str, int]:
        from promlab.lab.ec2.places import SSH_PORT

        listen = self._ssh_port if port == SSH_PORT else port
        if self.own_addresses:
            return host, listen
        ports = self.disk(instance_id) / "run/ports"
        with contextlib.suppress(OSError, ValueError):
            return host, listen + int(ports.read_text())
        raise ServerError(f"{instance_id} is not running")

    def _wait(self) -> dict[str, Any]:
        end, file = time.monotonic() + _READY_S, self._folder / "ready.json"
        while time.monotonic() < end:
            if file.exists():
                return dict(json.loads(file.read_text()))
            if self._child.wait(0.05):
                said = "\n".join(self._child.lines(5)) or "it said nothing"
                raise ServerError(f"the simulated cloud could not start: {said}")
        raise NotReady("the simulated cloud did not start in two minutes")

    def __repr__(self) -> str:
        if not self.alive:
            return "a simulated AWS, stopped"
        return f"a simulated AWS at {self.endpoint}: no account, no network, no cost"


def _short_parent() -> str | None:
    default = tempfile.gettempdir()
    return default if len(default) < 40 else "/tmp"  # noqa: S108  (mkdtemp makes it ours)

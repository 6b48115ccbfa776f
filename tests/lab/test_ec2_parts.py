"""Places, firewall rules, services and key files of the simulated EC2, one at a time."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import psutil
import pytest

from promlab.errors import ServerError
from promlab.lab.ec2 import control, places, services
from promlab.lab.ec2.firewall import Firewall, Rule
from promlab.lab.ec2.machine import Machine
from promlab.lab.ec2.places import Place, Plan
from promlab.lab.ec2.shell import check_key, write_key
from promlab.transport import names


def test_every_instance_has_addresses_of_its_own() -> None:
    plan = Plan("127.9")
    hosts = [each(number).host for number in range(50) for each in (plan.public, plan.private)]
    assert len(set(hosts)) == 100
    assert plan.inner(3).at(9090) == ("127.9.3.13", 9090)


def test_one_address_means_ports_of_its_own() -> None:
    plan = Plan("")
    taken = [plan.public(n).at(port) for n in range(5) for port in places.PORTS]
    taken += [plan.inner(n).at(port) for n in range(5) for port in places.PORTS]
    assert len(set(taken)) == len(taken)
    assert all(port < 65_536 for _, port in taken)


def test_a_plan_is_free() -> None:
    plan = places.choose(random.Random(1))
    assert plan.prefix.startswith("127.")


@pytest.mark.parametrize(
    ("rule", "source", "port", "passes"),
    [
        (Rule("0.0.0.0/0", 0, 65_535), "127.0.0.1", 9090, True),
        (Rule("127.0.0.1/32", 22, 22), "127.0.0.1", 22, True),
        (Rule("127.0.0.1/32", 22, 22), "127.0.0.1", 23, False),
        (Rule("10.0.0.0/8", 0, 65_535), "127.0.0.1", 9090, False),
        (Rule("10.0.0.7/8", 0, 65_535), "10.9.9.9", 9090, True),
        (Rule("nonsense", 0, 65_535), "127.0.0.1", 9090, False),
        (Rule("::/0", 0, 65_535), "127.0.0.1", 9090, False),
    ],
)
def test_rules(rule: Rule, source: str, port: int, passes: bool) -> None:
    assert rule.allows(source, port) is passes


async def test_the_firewall_obeys_rules_at_once() -> None:
    plan = places.choose(random.Random(2))
    rules: list[Rule] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    inside = await asyncio.start_server(echo, *plan.inner(0).at(9090))
    wall = Firewall((plan.public(0),), plan.inner(0), 2222, lambda: rules)
    await wall.start()

    async def ask(patience_s: float = 0.3) -> bytes:
        reader, writer = await asyncio.open_connection(*plan.public(0).at(9090))
        writer.write(b"hello\n")
        answer = await asyncio.wait_for(reader.readline(), patience_s)
        writer.close()
        return answer

    try:
        with pytest.raises(TimeoutError):
            await ask()
        assert wall.refused == 1
        rules.append(Rule("127.0.0.1/32", 9090, 9090))
        assert await ask(60) == b"hello\n"
        rules[:] = [Rule("127.0.0.1/32", 22, 22)]
        with pytest.raises(TimeoutError):
            await ask()
    finally:
        await wall.stop()
        inside.close()


async def test_a_port_without_a_program_is_reset() -> None:
    plan = places.choose(random.Random(3))
    wall = Firewall((plan.public(0),), plan.inner(0), 2222, lambda: [Rule("0.0.0.0/0", 0, 65_535)])
    await wall.start()
    try:
        reader, _ = await asyncio.open_connection(*plan.public(0).at(9100))
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
    finally:
        await wall.stop()


def test_addresses_in_a_unit_become_those_of_the_instance() -> None:
    own, shared = Place("127.9.3.10"), Place("127.0.0.1", 30_000)
    command = "uvicorn shop:app --host 0.0.0.0 --port 8005"
    assert services.moved(command, own) == "uvicorn shop:app --host 127.9.3.10 --port 8005"
    assert services.moved(command, shared) == "uvicorn shop:app --host 127.0.0.1 --port 38005"
    assert services.moved("http://localhost:8005/x", own) == "http://127.9.3.10:8005/x"
    assert services.moved("http://localhost:8005/x", shared) == "http://127.0.0.1:38005/x"


def test_names_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names.meant("localhost", 9090) == ("localhost", 9090)
    monkeypatch.setenv(names.ENV, "localhost=127.9.3.10+0,other=127.0.0.1+30000")
    assert names.meant("localhost", 9090) == ("127.9.3.10", 9090)
    assert names.meant("other", 9100) == ("127.0.0.1", 39100)
    assert names.meant("elsewhere", 1) == ("elsewhere", 1)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    one = Machine("i-1", tmp_path, Place("127.9.2.10"), Place("127.9.3.10"))
    one.prepare()
    return one


async def told(machine: Machine, words: str, user: str = "root") -> tuple[str, int]:
    return await control.obey(machine, words.split(), user)


async def test_a_first_start_that_takes_too_long_ends(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promlab.lab.ec2.machine._FIRST_START_S", 0.2)
    await machine.first_start(b"#!/bin/bash\necho begun; sleep 600\n")
    log = (machine.root / "var/log/cloud-init-output.log").read_text()
    assert "took too long" in log


async def test_a_script_of_an_unknown_program_does_not_stop_an_instance(machine: Machine) -> None:
    await machine.first_start(b"#!/no/such/program\n")
    await machine.boot()
    assert await told(machine, "service prometheus status") == (
        "Unit prometheus.service could not be found.",
        4,
    )


class TestCommands:
    async def test_packages_are_installed_by_root_only(self, machine: Machine) -> None:
        text, code = await told(machine, "apt-get install -y prometheus", "ubuntu")
        assert code == 100
        assert "are you root?" in text
        text, code = await told(machine, "apt-get install -y prometheus")
        assert code == 0
        assert (machine.root / "etc/prometheus/prometheus.yml").exists()

    async def test_an_unknown_package_says_what_there_is(self, machine: Machine) -> None:
        text, code = await told(machine, "apt-get install grafana")
        assert code == 100
        assert "Unable to locate package grafana" in text
        assert "prometheus-node-exporter" in text

    async def test_a_service_that_is_not_installed(self, machine: Machine) -> None:
        assert await told(machine, "service prometheus start") == (
            "prometheus: unrecognized service",
            4,
        )
        assert (await told(machine, "service prometheus status"))[1] == 4

    async def test_a_service_is_started_by_root_only(self, machine: Machine) -> None:
        await told(machine, "apt-get install prometheus")
        text, code = await told(machine, "service prometheus start", "ubuntu")
        assert code == 1
        assert "sudo" in text

    async def test_a_unit_of_ones_own_runs_stops_and_fails(self, machine: Machine) -> None:
        units = machine.root / "etc/systemd/system"
        (units / "nap.service").write_text(
            f"[Service]\nExecStart={shutil.which('sleep')} 60\nEnvironment=A=b\n"
        )
        (units / "bad.service").write_text(f"[Service]\nExecStart={shutil.which('false')}\n")
        assert await told(machine, "systemctl start nap") == ("", 0)
        text, code = await told(machine, "service nap status", "ubuntu")
        assert code == 0
        assert "active (running)" in text
        assert await told(machine, "systemctl stop nap.service") == ("", 0)
        assert (await told(machine, "service nap status"))[1] == 3
        text, code = await told(machine, "service bad start")
        assert code == 1
        assert "exited with error" in text
        assert "failed" in (await told(machine, "service bad status"))[0]

    async def test_a_unit_without_a_command(self, machine: Machine) -> None:
        services.written("mine", machine.root).write_text("[Service]\n")
        assert await told(machine, "service mine start") == (
            "Failed to start mine.service: Service has no ExecStart= setting. Refusing.",
            1,
        )

    async def test_what_runs_in_the_background_ends_with_the_machine(
        self, machine: Machine
    ) -> None:
        left = await asyncio.create_subprocess_exec(
            *("bash", "-c", "nohup sleep 600 >/dev/null & echo $!"),
            env=machine.environment(),
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        said, _ = await left.communicate()
        process = psutil.Process(int(said))
        assert process.is_running()
        await machine.halt()
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE

    async def test_services_come_back_after_a_stop(self, machine: Machine) -> None:
        unit = machine.root / "etc/systemd/system/nap.service"
        unit.write_text(f"[Service]\nExecStart={shutil.which('sleep')} 60\n")
        await told(machine, "service nap start")
        await machine.halt()
        assert not machine.services["nap"].active
        await machine.boot()
        assert machine.services["nap"].active
        await machine.halt()

    async def test_nonsense_is_answered(self, machine: Machine) -> None:
        assert (await told(machine, "service"))[1] == 1
        assert (await told(machine, "systemctl dance prometheus"))[1] == 1
        assert (await told(machine, "apt-get dance"))[1] == 100


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    path = write_key("secret", tmp_path / "k.pem")
    check_key(path)
    path.chmod(0o644)
    with pytest.raises(ServerError, match="chmod 600"):
        check_key(path)
    with pytest.raises(ServerError, match="no such file"):
        check_key(tmp_path / "gone.pem")


def test_offers_of_a_region_are_read_when_asked_for() -> None:
    pytest.importorskip("moto")
    from promlab.lab.ec2 import lean_moto

    lean_moto.load()
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    offers = INSTANCE_TYPE_OFFERINGS["region"]
    assert isinstance(offers, lean_moto.Offers)
    found = offers.get("eu-central-1", [])
    assert {"InstanceType": "t3.micro", "Location": "eu-central-1"}.items() <= found[
        [offer["InstanceType"] for offer in found].index("t3.micro")
    ].items()
    assert found[0]["LocationType"] == "region"
    assert offers.get("mars-north-1", []) == []
    assert "us-east-1" not in offers

"""The checks of the EC2 lab fail when they should, and say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from promlab.lab import ec2 as lab
from promlab.lab import inbox as inboxes
from promlab.lab.course import Course
from promlab.lab.ec2.cloud import Cloud
from promlab.lab.ec2.steps import course as make_course

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    pytest.importorskip("moto")
    found = lab.open()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def course(cloud: Cloud) -> Iterator[Course]:
    with inboxes.open() as inbox:
        yield make_course(cloud, inbox)


def launch(cloud: Cloud, **more: object) -> str:
    ec2 = cloud.client()
    launched = ec2.run_instances(
        ImageId=cloud.image(), MinCount=1, MaxCount=1, TagSpecifications=cloud.tags("x"), **more
    )
    return str(launched["Instances"][0]["InstanceId"])


def test_each_thing_that_is_missing_is_named(cloud: Cloud, course: Course, tmp_path: Path) -> None:
    ec2 = cloud.client()
    assert "there is no instance" in course.check(1).text
    assert "step 1 (Launch an instance) comes first" in course.check(2).text

    launch(cloud)
    assert "no key pair" in course.check(1).text
    assert course.reset(1).startswith("terminated i-")

    pair = ec2.create_key_pair(KeyName="steps")
    group = ec2.create_security_group(GroupName="steps", Description="x")["GroupId"]
    instance = launch(cloud, KeyName="steps", SecurityGroupIds=[group])
    assert "the private key" in course.check(1).text
    cloud.save_key(pair, tmp_path)
    assert course.check(1)

    ec2.stop_instances(InstanceIds=[instance])
    assert "is stopped" in course.check(1).text
    ec2.start_instances(InstanceIds=[instance])
    assert course.check(1)

    assert "lets nobody in yet" in course.check(2).text
    world = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=world)
    verdict = course.check(2)
    assert "the whole world may reach all ports" in verdict.text
    assert cloud.my_address() in verdict.text
    course.reset(2)
    mine = [{"CidrIp": cloud.my_address()}]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": mine}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh])
    assert "still closed: 8005 (the shop), 9090 (Prometheus)" in course.check(2).text
    others = {"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 9100, "IpRanges": mine}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[others])
    assert course.check(2)
    assert course.check(3)

    assert "not cloned" in course.check(4).text
    sh = cloud.shell(instance)
    "".join(sh.run(f"git clone --quiet {cloud.repository}"))
    assert "chmod u=rwx,g=r,o=r" in course.check(4).text
    "".join(sh.run("chmod u=rwx,g=r,o=r prometheus-lab/1-install.sh"))
    assert "prometheus is not installed (sudo ./1-install.sh)" in course.check(4).text
    "".join(sh.run("cd prometheus-lab; sudo ./1-install.sh"))
    assert "prometheus does not run (sudo service prometheus start)" in course.check(4).text
    assert "step 4" in course.check(5).text
    assert "no lab runs" in course.check(6).text
    assert course.done == {1, 2, 3}
    assert course.reset(4) == "the services are stopped, and the repository is gone"
    assert "not cloned" in course.check(4).text

"""The checks of the EC2 lab fail when they should, and say what to do."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from notebook_server import until

import promlab
from promlab.errors import ConfigError
from promlab.lab import ec2 as lab
from promlab.lab import inbox as inboxes
from promlab.lab.course import Course
from promlab.lab.ec2.cloud import Cloud
from promlab.lab.ec2.remote_config import apply
from promlab.lab.ec2.steps import course as make_course
from promlab.lab.inbox import Inbox

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    pytest.importorskip("moto")
    found = lab.open()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def course_inbox() -> Iterator[Inbox]:
    with inboxes.open() as inbox:
        yield inbox


@pytest.fixture(scope="module")
def course(cloud: Cloud, course_inbox: Inbox) -> Course:
    return make_course(cloud, course_inbox)


def launch(cloud: Cloud, **more: object) -> str:
    ec2 = cloud.client()
    launched = ec2.run_instances(
        ImageId=cloud.image(), MinCount=1, MaxCount=1, TagSpecifications=cloud.tags("x"), **more
    )
    return str(launched["Instances"][0]["InstanceId"])


def config(*ports: int) -> str:
    jobs = "".join(
        f"- {{job_name: p{port}, static_configs: [{{targets: ['localhost:{port}']}}]}}\n"
        for port in ports
    )
    return f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}"


def listens(process: psutil.Process) -> bool:
    return any(each.status == psutil.CONN_LISTEN for each in process.net_connections())


def test_each_thing_that_is_missing_is_named(
    cloud: Cloud, course: Course, course_inbox: Inbox, tmp_path: Path
) -> None:
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
    key = cloud.key_of(instance)
    key.chmod(0o644)
    assert f"chmod 600 {key}" in course.check(3).text
    key.chmod(0o600)
    until(lambda: course.check(3), "a log-in, once the instance is on")

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

    # Somebody has the port already; then nobody has.
    taken = (
        "nohup python3 -m http.server 9090 --bind $LAB_INNER >/dev/null 2>&1 & sleep 0.1; echo $!"
    )
    squatter = psutil.Process(int("".join(sh.run(taken))))
    until(lambda: listens(squatter), "the other program")
    "".join(sh.run("sudo service prometheus start"))
    said = until(lambda: "failed" in course.check(4).text and course.check(4).text, "the failure")
    assert "is already in use" in said
    squatter.kill()
    start = "sudo service prometheus start; cd prometheus-lab; sudo bash 2-node-exporter.sh; "
    "".join(sh.run(start + "sudo bash 3-app.sh"))
    assert course.check(4)

    # Step 5: what is missing, what is wrong with the text, what is down.
    missing = until(lambda: "not scraped yet" in (text := course.check(5).text) and text, "step 5")
    assert "localhost:8005, localhost:9100" in missing
    with pytest.raises(ConfigError, match="did you mean static_configs"):
        apply(cloud, instance, "scrape_configs:\n- job_name: a\n  static_config: []\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        apply(cloud, instance, "scrape_configs: [\n")
    apply(cloud, instance, config(9090, 9100, 8005))
    until(lambda: course.check(5), "three targets")
    "".join(sh.run("sudo service shop stop"))
    down = until(lambda: "but not up" in (text := course.check(5).text) and text, "a target down")
    assert ":8005/metrics" in down
    assert course.reset(5).startswith("the server has the configuration")
    until(lambda: "not scraped yet" in course.check(5).text, "the first configuration")

    # Step 6: no lab, no alert, something left.
    assert "no lab runs" in course.check(6).text
    with promlab.start(quiet=True):
        assert "no alert has reached the inbox" in course.check(6).text
        firing = json.dumps({"alerts": [{"status": "firing"}]}).encode()
        urllib.request.urlopen(course_inbox.url, firing).close()
        assert f"still there: {instance}" in course.check(6).text
        ec2.stop_instances(InstanceIds=[instance])
        assert f"started again: {instance}" in course.reset(6)
        assert not course_inbox.messages
    until(lambda: course.check(3), "the instance's return")
    for number in range(1, 7):
        hints = [course.hint(number) for _ in range(3)]
        assert [hint[:11] for hint in hints] == [f"hint {i} of 3:"[:11] for i in (1, 2, 3)]
    assert course.reset(4) == "the services are stopped, and the repository is gone"
    assert "not cloned" in course.check(4).text

"""The EC2 lab end to end: boto3, SSH, a shell, services, a scrape, and the end of it all."""

from __future__ import annotations

import base64
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

from promlab.errors import NotRunning, ServerError
from promlab.lab import ec2 as lab
from promlab.lab.ec2 import cloud as clouds
from promlab.lab.ec2.real_cloud import RealCloud
from tests.patience import until

pytestmark = pytest.mark.slow


class Course:
    """A cloud with one instance, which nobody may reach yet."""

    def __init__(self, folder: Path) -> None:
        self.cloud = lab.open()
        self.ec2 = self.cloud.client()
        self.key = self.cloud.save_key(self.ec2.create_key_pair(KeyName="course"), folder)
        self.group = self.ec2.create_security_group(GroupName="lab", Description="lab")["GroupId"]
        launched = self.ec2.run_instances(
            ImageId=self.cloud.image(),
            InstanceType="t3.micro",
            KeyName="course",
            SecurityGroupIds=[self.group],
            MinCount=1,
            MaxCount=1,
            TagSpecifications=self.cloud.tags("first"),
        )
        self.instance = launched["Instances"][0]["InstanceId"]
        self.ec2.get_waiter("instance_running").wait(InstanceIds=[self.instance])

    def allow(self, *ports: int) -> None:
        self.ec2.authorize_security_group_ingress(
            GroupId=self.group,
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": port,
                    "ToPort": port,
                    "IpRanges": [{"CidrIp": self.cloud.my_address()}],
                }
                for port in ports
            ],
        )

    def sh(self, script: str) -> str:
        return "".join(self.cloud.shell(self.instance).run(script))


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    pytest.importorskip("moto")
    pytest.importorskip("asyncssh")
    found = Course(tmp_path_factory.mktemp("course"))
    yield found
    found.cloud.stop()


def test_the_course_from_launch_to_the_end(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, sh = course.cloud, course.sh
    assert cloud.instance(course.instance)["PublicIpAddress"].startswith("127.")

    monkeypatch.setattr("promlab.lab.ec2.shell.CONNECT_S", 0.5)
    with pytest.raises(NotRunning, match="security group"):
        sh("true")
    monkeypatch.undo()
    course.allow(22, 9090, 8005)

    assert sh("whoami; sudo whoami; hostname").split()[:2] == ["ubuntu", "root"]
    assert "git version" in sh("git --version")
    sh(f"git clone --quiet {cloud.repository}")
    refused = sh("cd prometheus-lab && ./1-install.sh")
    assert "Permission denied" in refused
    sh("cd prometheus-lab && chmod u=rwx,g=r,o=r 1-install.sh && sudo ./1-install.sh")
    assert "active (running)" in sh("sudo service prometheus start; service prometheus status")
    sh("cd prometheus-lab && sudo bash 2-node-exporter.sh && sudo bash 3-app.sh")

    server = f"http://{cloud.address(course.instance, 9090)}"

    def up() -> list[str]:
        answer = httpx.get(f"{server}/api/v1/query", params={"query": "up == 1"}).json()
        return [each["metric"]["instance"] for each in answer["data"]["result"]]

    assert until(up, "a scrape of itself") == ["localhost:9090"]
    app = f"http://{cloud.address(course.instance, 8005)}/metrics"
    metrics = until(lambda: httpx.get(app).text, "the application's metrics")
    assert "http_requests_total" in metrics
    with pytest.raises(httpx.TimeoutException):  # the node exporter runs; nobody let us in
        httpx.get(f"http://{cloud.address(course.instance, 9100)}/metrics", timeout=0.5)
    assert "node_load1" in sh("curl --silent localhost:9100/metrics")

    course.ec2.stop_instances(InstanceIds=[course.instance])
    disk = cloud.disk(course.instance)  # type: ignore[attr-defined]
    until(lambda: not _listens(server), "the server's end")
    course.ec2.start_instances(InstanceIds=[course.instance])
    until(lambda: _listens(server), "the server's return")
    assert (disk / "home/ubuntu/prometheus-lab").is_dir()

    assert cloud.cleanup() == [course.instance]
    until(lambda: not disk.exists(), "the end of the disk")
    assert cloud.cleanup() == []


def _listens(server: str) -> bool:
    try:
        return httpx.get(f"{server}/-/healthy", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_real_ssh_logs_in_with_the_created_key_only(course: Course, tmp_path: Path) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("there is no ssh")
    launched = course.ec2.run_instances(
        ImageId=course.cloud.image(), KeyName="course", SecurityGroupIds=[course.group],
        MinCount=1, MaxCount=1,
    )  # fmt: skip
    instance = launched["Instances"][0]["InstanceId"]
    course.ec2.authorize_security_group_ingress(
        GroupId=course.group, IpProtocol="tcp", FromPort=20, ToPort=23, CidrIp="0.0.0.0/0"
    )
    command = course.cloud.ssh_command(instance).split()
    options = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known"]
    options += ["-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]

    def ssh(*rest: str, key: str = "") -> subprocess.CompletedProcess[str]:
        words = [word if word != str(course.key) else key or word for word in command]
        return subprocess.run(
            [words[0], *options, *words[1:], *rest], capture_output=True, text=True, input=""
        )

    until(lambda: ssh("true").returncode == 0, "a log-in")
    done = ssh("pwd; exit 7")
    assert done.returncode == 7
    assert done.stdout.strip().endswith("/home/ubuntu")
    typed = subprocess.run(
        [command[0], *options, "-tt", *command[1:]],
        input="sudo su -\nwhoami\nexit\nexit\n", capture_output=True, text=True,
    )  # fmt: skip
    assert "\nroot" in typed.stdout.replace("\r", "\n")
    other = course.cloud.save_key(course.ec2.create_key_pair(KeyName="other"), tmp_path)
    assert "Permission denied" in ssh("true", key=str(other)).stderr
    with pytest.raises(ServerError, match="does not accept the key"):
        list(course.cloud.shell(instance, other).run("true"))
    course.ec2.terminate_instances(InstanceIds=[instance])


def test_opening_twice_gives_the_same_cloud(course: Course) -> None:
    assert lab.open() is course.cloud
    assert lab.opened() is course.cloud
    assert "simulated" in repr(course.cloud)


def test_an_instance_that_is_not_there(course: Course) -> None:
    with pytest.raises(ServerError, match="does not exist"):
        course.cloud.address("i-0123456789abcdef0", 22)


def test_nothing_is_left_behind() -> None:
    cloud = clouds.SimulatedCloud()
    ec2 = cloud.client()
    ec2.run_instances(ImageId=cloud.image(), MinCount=1, MaxCount=1)
    host = psutil.Process(cloud._child.pid)
    folder = cloud._folder
    cloud.stop()
    assert not host.is_running()
    assert not folder.exists()
    with pytest.raises(NotRunning, match="stopped"):
        cloud.client()


def test_without_credentials_the_real_aws_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ServerError, match="aws configure"):
        RealCloud("")


def test_an_aws_that_is_not_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(ServerError, match="can't be reached"):
        RealCloud("eu-central-1")


def test_wrong_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words that AWS has for it."""

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = (
                b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
                b"<Message>The security token included in the request is invalid.</Message>"
                b"</Error></ErrorResponse>"
            )
            self.send_response(403)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pretend(monkeypatch, f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(ServerError, match="does not accept your credentials: The security tok"):
            RealCloud("eu-central-1")
        server.shutdown()


def pretend(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Have boto3 take this address for AWS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "some")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "some")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def test_the_real_clouds_way_to_the_scripts(
    course: Course, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is served to a real instance: its user data brings the repository along."""
    pretend(monkeypatch, course.cloud.endpoint)  # type: ignore[attr-defined]
    real = RealCloud("eu-central-1")
    ec2 = real.client()
    script = real.user_data()
    assert len(script) < 16_384  # what AWS takes
    key = real.save_key(ec2.create_key_pair(KeyName="real"), tmp_path)
    group = ec2.create_security_group(GroupName="real", Description="real")["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="127.0.0.1/32"
    )
    launched = ec2.run_instances(
        ImageId=real.image(), InstanceType="t3.micro", KeyName="real", SecurityGroupIds=[group],
        MinCount=1, MaxCount=1, UserData=script,
    )  # fmt: skip
    instance = launched["Instances"][0]["InstanceId"]
    kept = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")
    assert base64.b64decode(kept["UserData"]["Value"]).decode() == script

    shell = course.cloud.shell(instance, key)  # by itself SSH may be on another port than 22

    def cloned() -> bool:
        try:
            said = "".join(shell.run(f"git clone --quiet $ROOT{real.repository}"))
        except NotRunning:  # it is still starting
            return False
        assert not said
        return True

    until(cloned, "a clone")
    said = "".join(shell.run("cd prometheus-lab; ls; chmod u+x 1-install.sh; sudo ./1-install.sh"))
    assert "prometheus.yaml" in said
    assert "Prometheus is installed" in said
    ec2.terminate_instances(InstanceIds=[instance])


def test_a_script_that_an_instance_is_given_runs_as_root(course: Course) -> None:
    launched = course.ec2.run_instances(
        ImageId=course.cloud.image(), MinCount=1, MaxCount=1, UserData="#!/bin/bash\nwhoami\n"
    )
    instance = launched["Instances"][0]["InstanceId"]
    disk = course.cloud.disk(instance)  # type: ignore[attr-defined]
    log = disk / "var/log/cloud-init-output.log"
    until(lambda: log.exists() and log.read_text() == "root\n", "the script's end")
    course.ec2.terminate_instances(InstanceIds=[instance])


def test_what_is_no_script_is_left_alone(course: Course) -> None:
    launched = course.ec2.run_instances(
        ImageId=course.cloud.image(), MinCount=1, MaxCount=1, UserData="#cloud-config\n{}\n"
    )
    instance = launched["Instances"][0]["InstanceId"]
    disk = course.cloud.disk(instance)  # type: ignore[attr-defined]
    until(lambda: (disk / "etc/motd").exists(), "the first start")
    assert not (disk / "var/log").exists()
    course.ec2.terminate_instances(InstanceIds=[instance])

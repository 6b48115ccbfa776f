"""The six steps of the EC2 lab: what each check looks at, and what it says.

Checks ask the API, the instance and the lab's server; they work on the simulated AWS and on the
real one alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promlab.errors import ClientError, NotRunning, PromlabError
from promlab.lab.course import Course, NotYet, Step
from promlab.lab.ec2.cloud import Cloud
from promlab.lab.inbox import Inbox
from promlab.lab.session import running

PORTS = {22: "SSH", 8005: "the shop", 9090: "Prometheus", 9100: "the node exporter"}
_WORLD = ("0.0.0.0/0", "::/0")
_SERVICES = {
    "prometheus": "1-install.sh",
    "prometheus-node-exporter": "2-node-exporter.sh",
    "shop": "3-app.sh",
}
_NEXT = "== next =="
# One log-in for all that step 4 looks at.
_LOOK = "ls -l prometheus-lab/1-install.sh 2>/dev/null | cut -c1-10\n" + "".join(
    f"echo '{_NEXT}'; service {service} status\n" for service in _SERVICES
)


def course(cloud: Cloud, inbox: Inbox) -> Course:
    """The EC2 lab on a cloud; alerts of its last step are looked for in the inbox."""
    steps = _Steps(cloud, inbox)
    return Course(
        "EC2 lab",
        [
            Step("Launch an instance", steps.launched, _LAUNCH, steps.terminate),
            Step("Open the firewall, and narrow it", steps.narrowed, _FIREWALL,
                 steps.close_firewall, needs=(1,)),
            Step("Log in with SSH", steps.logged_in, _SSH, needs=(1,)),
            Step("Install and start", steps.started, _INSTALL, steps.stop_services, needs=(1, 3)),
            Step("Configure what is scraped", steps.configured, _CONFIG, steps.first_config,
                 needs=(4,)),
            Step("Discover, alert, terminate", steps.alerted, _ALERT, steps.wake, needs=(1,)),
        ],
    )  # fmt: skip


class _Steps:
    def __init__(self, cloud: Cloud, inbox: Inbox) -> None:
        self._cloud, self._inbox = cloud, inbox

    def _instances(self) -> Iterator[dict[str, Any]]:
        """Instances of this lab that are not terminated, the newest first."""
        filters = [{"Name": "tag:promlab-lab", "Values": ["yes"]}]
        answer = self._cloud.client().describe_instances(Filters=filters)
        found = [one for group in answer["Reservations"] for one in group["Instances"]]
        alive = [
            one for one in found if one["State"]["Name"] not in ("terminated", "shutting-down")
        ]
        yield from sorted(alive, key=lambda one: str(one["LaunchTime"]), reverse=True)

    def _instance(self) -> dict[str, Any]:
        for instance in self._instances():
            return instance
        raise NotYet("there is no instance of this lab: launch one with ec2.run_instances(...)")

    def launched(self) -> str:
        """There is a running instance with a key pair, a name and a group of its own."""
        instance = self._instance()
        name, state = instance["InstanceId"], instance["State"]["Name"]
        if state != "running":
            raise NotYet(f"{name} is {state}: wait until it is running, or start it")
        if not instance.get("KeyName"):
            raise NotYet(f"{name} has no key pair: nobody will be able to log in; launch it anew")
        try:
            self._cloud.key_of(name).stat()
        except OSError:
            raise NotYet(
                f"the private key {self._cloud.key_of(name)} is not here: keep it with "
                "cloud.save_key(...) when you create the key pair"
            ) from None
        if not instance.get("PublicIpAddress"):
            raise NotYet(f"{name} has no public address")
        return f"{name} runs at {instance['PublicIpAddress']}, with the key {instance['KeyName']}"

    def _rules(self) -> list[dict[str, Any]]:
        groups = [group["GroupId"] for group in self._instance().get("SecurityGroups", ())]
        if not groups:
            raise NotYet("the instance has no security group of its own: launch it with one")
        found = self._cloud.client().describe_security_groups(GroupIds=groups)
        return [rule for group in found["SecurityGroups"] for rule in group["IpPermissions"]]

    def narrowed(self) -> str:
        """All four ports are open, and to nobody but this notebook."""
        rules = self._rules()
        if not rules:
            raise NotYet("the security group lets nobody in yet: authorize_security_group_ingress")
        wide = [
            f"{_ports(rule)} to {cidr}"
            for rule in rules
            for cidr in _sources(rule)
            if cidr in _WORLD
        ]
        if wide:
            raise NotYet(
                f"the whole world may reach {'; '.join(wide)}: revoke that rule, and allow your "
                f"own address, {self._cloud.my_address()}"
            )
        closed = [f"{port} ({what})" for port, what in PORTS.items() if not _open(rules, port)]
        if closed:
            raise NotYet(f"these ports are still closed: {', '.join(closed)}")
        return "ports 22, 8005, 9090 and 9100 are open to you, and to nobody else"

    def _sh(self, script: str) -> str:
        session = self._cloud.shell(str(self._instance()["InstanceId"]))
        return "".join(session.run(script))

    def logged_in(self) -> str:
        """The key opens the door."""
        try:
            who = self._sh("whoami; hostname").split()
        except PromlabError as error:
            raise NotYet(f"logging in does not work: {error}") from None
        return f"you can log in: {who[0]} at {who[-1]}"

    def started(self) -> str:
        """The repository is cloned, its script may run, three services do."""
        mode, *told = self._sh(_LOOK).split(_NEXT)
        if not mode.strip():
            raise NotYet("the repository is not cloned in the home folder: git clone …")
        if mode.strip() != "-rwxr--r--":
            raise NotYet(
                f"1-install.sh has the mode {mode.strip()}: chmod u=rwx,g=r,o=r 1-install.sh"
            )
        missing = []
        for (service, script), status in zip(_SERVICES.items(), told, strict=True):
            if "could not be found" in status or "unrecognized" in status:
                missing.append(f"{service} is not installed (sudo ./{script})")
            elif "active: failed" in status.lower():
                missing.append(f"{service} failed: {_last_words(status)}")
            elif "active (running)" not in status:
                missing.append(f"{service} does not run (sudo service {service} start)")
        if missing:
            raise NotYet("; ".join(missing))
        return "Prometheus, the node exporter and the shop are running"

    def configured(self) -> str:
        """The server on the instance scrapes itself, the machine and the shop."""
        from promlab.client import Client

        address = self._cloud.address(str(self._instance()["InstanceId"]), 9090)
        try:
            with Client(f"http://{address}", timeout_s=10) as client:
                targets = client.targets()
        except (NotRunning, ClientError, PromlabError) as error:
            raise NotYet(f"Prometheus at {address} can't be asked: {error}") from None
        jobs = {target["labels"]["job"]: target for target in targets}
        wanted = {"localhost:9090", "localhost:9100", "localhost:8005"}
        missing = wanted - {target["labels"]["instance"] for target in targets}
        if missing:
            raise NotYet(f"not scraped yet: {', '.join(sorted(missing))}; there is {sorted(jobs)}")
        down = [
            f"{target['scrapeUrl']} ({target['lastError'] or 'not scraped yet'})"
            for target in targets
            if target["health"] != "up"
        ]
        if down:
            raise NotYet(f"scraped, but not up: {'; '.join(down)}")
        return f"{len(targets)} targets are up: {', '.join(sorted(jobs))}"

    def alerted(self) -> str:
        """An alert of a stopped instance came, and nothing is left that costs money."""
        if running() is None:
            raise NotYet("no lab runs in this notebook: promlab.start(...) with ec2_sd_configs")
        alerts = [a for message in self._inbox.messages for a in message.get("alerts", ())]
        if not any(alert.get("status") == "firing" for alert in alerts):
            raise NotYet("no alert has reached the inbox: stop an instance and wait")
        left = [one["InstanceId"] for one in self._instances()]
        if left:
            raise NotYet(f"still there: {', '.join(left)}; cloud.cleanup() terminates them")
        return "the alert came, and everything is cleaned up"

    def terminate(self) -> str:
        """Undo step 1."""
        found = self._cloud.cleanup()
        return f"terminated {', '.join(found)}" if found else "there was no instance"

    def close_firewall(self) -> str:
        """Undo step 2."""
        ec2 = self._cloud.client()
        for group in self._instance().get("SecurityGroups", ()):
            found = ec2.describe_security_groups(GroupIds=[group["GroupId"]])
            rules = found["SecurityGroups"][0]["IpPermissions"]
            if rules:
                ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=rules)
        return "the security group lets nobody in again"

    def stop_services(self) -> str:
        """Undo step 4."""
        services = ("shoppers", *reversed(_SERVICES))
        stops = "\n".join(f"sudo service {service} stop" for service in services)
        self._sh(f"{stops}\nrm -rf prometheus-lab")
        return "the services are stopped, and the repository is gone"

    def first_config(self) -> str:
        """Undo step 5."""
        self._sh(
            'sudo cp prometheus-lab/prometheus.yaml "${ROOT:-}/etc/prometheus/prometheus.yml"\n'
            "sudo service prometheus reload"
        )
        return "the server has the configuration that 1-install.sh gave it"

    def wake(self) -> str:
        """Undo step 6: stopped instances run again, and the inbox is empty."""
        self._inbox.messages.clear()
        stopped = [
            str(one["InstanceId"]) for one in self._instances() if one["State"]["Name"] == "stopped"
        ]
        if stopped:
            self._cloud.client().start_instances(InstanceIds=stopped)
        return f"the inbox is empty; started again: {', '.join(stopped) or 'none'}"


def _last_words(status: str) -> str:
    """Why a service is not there: the last line that it wrote."""
    lines = status.strip().splitlines()
    return lines[-1].strip() if len(lines) > 2 else "it wrote nothing"


def _sources(rule: dict[str, Any]) -> list[str]:
    four = [str(each["CidrIp"]) for each in rule.get("IpRanges", ())]
    return four + [str(each["CidrIpv6"]) for each in rule.get("Ipv6Ranges", ())]


def _ports(rule: dict[str, Any]) -> str:
    low, high = rule.get("FromPort"), rule.get("ToPort")
    if rule.get("IpProtocol") == "-1" or low is None:
        return "all ports"
    return f"port {low}" if low == high else f"ports {low}-{high}"


def _open(rules: list[dict[str, Any]], port: int) -> bool:
    return any(
        (rule.get("FromPort") is None or rule["FromPort"] <= port <= rule["ToPort"])
        and _sources(rule)
        for rule in rules
    )


_LAUNCH = (
    "an instance needs an image, a type, a key pair and a security group",
    "create_key_pair first and keep its answer with cloud.save_key; then create_security_group",
    "ec2.run_instances(ImageId=cloud.image(), InstanceType='t3.micro', KeyName='course', "
    "SecurityGroupIds=[group], MinCount=1, MaxCount=1, TagSpecifications=cloud.tags('first'))",
)
_FIREWALL = (
    "a security group lists who may come in; with no rule, nobody may",
    "revoke_security_group_ingress takes back a rule, in the words it was given with",
    "authorize_security_group_ingress(GroupId=group, IpPermissions=[{'IpProtocol': 'tcp', "
    "'FromPort': port, 'ToPort': port, 'IpRanges': [{'CidrIp': cloud.my_address()}]} "
    "for port in (22, 8005, 9090, 9100)])",
)
_SSH = (
    "the user is ubuntu, the key is the file that cloud.save_key wrote",
    "a connection that is left without an answer is a firewall; one that is refused is a service",
    "open a terminal (File, New, Terminal) and type what cloud.ssh_command(instance) prints",
)
_INSTALL = (
    "the scripts want root: sudo before their names",
    "service NAME status says what a service does, and the last lines that it wrote",
    "git clone, cd prometheus-lab, chmod u=rwx,g=r,o=r 1-install.sh, sudo ./1-install.sh, "
    "sudo service prometheus start, sudo bash 2-node-exporter.sh, sudo bash 3-app.sh",
)
_CONFIG = (
    "a job has a name, and targets: host:port, without http://",
    "the node exporter is at localhost:9100, the shop at localhost:8005, seen from the instance",
    "%%prometheus instance, with three jobs: prometheus (localhost:9090), node (localhost:9100) "
    "and shop (localhost:8005)",
)
_ALERT = (
    "a rule that should be empty: up == 0 for the job that EC2 discovery feeds",
    "stop the instance with ec2.stop_instances; its targets are down at the next scrape",
    "wait for inbox.wait(), then cloud.cleanup()",
)

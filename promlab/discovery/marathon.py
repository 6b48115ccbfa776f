"""Applications that Marathon runs, one group each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from promlab.config.mechanisms.registries import Marathon
from promlab.discovery.answers import Answer
from promlab.discovery.base import ADDRESS, META, TargetGroup, host_port, label_name
from promlab.discovery.simple import Simple
from promlab.transport.secret_files import read_secret

M = f"{META}marathon_"


class MarathonDiscovery(Simple[Marathon]):
    """Asks one of the servers, another each time."""

    mechanism = "marathon"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Groups of all applications."""
        server = random.choice(self.config.servers)  # noqa: S311
        url = f"{server.rstrip('/')}/v2/apps/?embed=apps.tasks"
        answer = await self.asker.json(url, headers=await self._credentials())
        return [_group(app) for app in answer.needed_items("apps")]

    async def _credentials(self) -> dict[str, str]:
        token = self.config.auth_token.reveal()
        if self.config.auth_token_file:
            token = await asyncio.to_thread(read_secret, self.config.auth_token_file)
        return {"Authorization": f"token={token}"} if token else {}


def _group(app: Answer) -> TargetGroup:
    labels = {
        f"{M}app": app.text("id"),
        f"{M}image": app.text("container", "docker", "image"),
        **{f"{M}app_label_{label_name(k)}": v for k, v in app.labels("labels").items()},
    }
    in_container = any(net.text("mode") == "container" for net in app.items("networks")[:1])
    defined, prefix = _ports(app, in_container)
    targets = []
    ports = [port for port, _ in defined]
    for task in app.items("tasks"):
        own = [port.whole() for port in task.items("ports")]
        ports = ports or own
        for i, port in enumerate(ports):
            # A port of 0 is one that Mesos chose: the task knows it.
            number = own[i] if port == 0 and len(own) == len(ports) else port
            more = defined[i][1] if i < len(defined) else {}
            targets.append(
                {
                    ADDRESS: host_port(_host(task, in_container), number),
                    f"{M}task": task.text("id"),
                    f"{M}port_index": str(i),
                    **{f"{M}{prefix}{label_name(k)}": v for k, v in more.items()},
                }
            )
    return TargetGroup(app.text("id"), tuple(targets), labels)


def _ports(app: Answer, in_container: bool) -> tuple[list[tuple[int, dict[str, str]]], str]:
    """Ports with their labels, and the prefix of these."""
    container = app.at("container")
    mapped = container.items("portMappings") or container.items("docker", "portMappings")
    if mapped:
        key = "containerPort" if in_container else "hostPort"
        found = [(port.whole(key), port.labels("labels")) for port in mapped]
        return found, "port_mapping_label_"
    required = app.flag("requirePorts")
    found = [
        (port.whole("port") if required else 0, port.labels("labels"))
        for port in app.items("portDefinitions")
    ]
    return found, "port_definition_label_"


def _host(task: Answer, in_container: bool) -> str:
    addresses = task.items("ipAddresses")
    if in_container and addresses:
        return addresses[0].text("ipAddress")
    return task.text("host")

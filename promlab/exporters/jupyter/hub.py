"""A JupyterHub: its users and their servers. The token needs the scope `list:users`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import msgspec

from promlab.exporters.families import Family, gauge, info
from promlab.exporters.jupyter.api import Api, unix_s


class _Server(msgspec.Struct):
    ready: bool = False
    pending: str | None = None
    stopped: bool = False
    started: datetime | None = None
    last_activity: datetime | None = None

    @property
    def state(self) -> str:
        """`ready`, `spawn` or `stop` while that goes on, `stopped`."""
        return self.pending or ("ready" if self.ready else "stopped")


class _User(msgspec.Struct):
    name: str
    admin: bool = False
    last_activity: datetime | None = None
    servers: dict[str, _Server] = {}


class _Version(msgspec.Struct):
    version: str = ""


def families(api: Api) -> list[Family]:
    """What a hub is doing. Raises ScrapeError if it does not say."""
    version = api.get("/", _Version)
    users = gauge("jupyterhub_users", "Users by role.")
    servers = gauge("jupyterhub_servers", "Servers of users, by state.")
    active = gauge("jupyterhub_user_last_activity_timestamp_seconds", "When a user was seen last.")
    state = gauge("jupyterhub_server_ready", "Whether a user's server can be used.")
    started = gauge("jupyterhub_server_start_time_seconds", "When a user's server started.")
    used = gauge("jupyterhub_server_last_activity_timestamp_seconds", "When it was used last.")
    roles: Counter[str] = Counter({"admin": 0, "user": 0})
    states: Counter[str] = Counter({"ready": 0})
    for user in api.pages("/users", _User):
        roles["admin" if user.admin else "user"] += 1
        if user.last_activity is not None:
            active.add(unix_s(user.last_activity), {"user": user.name})
        for name, server in user.servers.items():
            states[server.state] += 1
            one = {"server": name, "user": user.name}
            state.add(float(server.state == "ready"), one)
            if server.started is not None:
                started.add(unix_s(server.started), one)
            if server.last_activity is not None:
                used.add(unix_s(server.last_activity), one)
    for role, n in roles.items():
        users.add(n, {"role": role})
    for now, n in states.items():
        servers.add(n, {"state": now})
    described = info("jupyterhub_info", "Version of the hub.", {"version": version.version})
    return [described, users, servers, active, state, started, used]

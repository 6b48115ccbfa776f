"""Docker, alone and as a swarm."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.mechanisms.aws import Filter
from promlab.config.mechanisms.base import Asked, port
from promlab.config.section import opt, record, sections

ROLES = ("services", "tasks", "nodes")
_SCHEMES = ("unix", "tcp", "http", "https")


@record
class _Daemon(Asked):
    host: str = opt(kinds.string, "", always=True)
    port: int = opt(port, 80, always=True)
    filters: tuple[Filter, ...] = opt(sections(Filter, "empty or null filter"), ())

    def check(self, at: At) -> None:
        """Where the daemon listens."""
        Asked.check(self, at)
        if not self.host:
            at.get("host").fail("host missing")
        parts = urlsplit(self.host)
        if parts.scheme not in _SCHEMES or not (parts.netloc or parts.path):
            at.get("host").fail(
                f"{self.host!r} is not the address of a Docker daemon: "
                "write unix:///path, tcp://host:port, http://host:port or https://host:port"
            )


@record
class Docker(_Daemon):
    """Containers of one daemon."""

    mechanism: ClassVar[str] = "docker"
    host_networking_host: str = opt(kinds.string, "localhost", always=True)
    match_first_network: bool = opt(kinds.boolean, True, always=True)


@record
class DockerSwarm(_Daemon):
    """Services, tasks or nodes of a swarm."""

    mechanism: ClassVar[str] = "dockerswarm"
    role: str = opt(kinds.string, "", always=True)

    def check(self, at: At) -> None:
        """What to look for."""
        _Daemon.check(self, at)
        if not self.role:
            at.get("role").fail(f"role missing (one of: {', '.join(ROLES)})")
        if self.role not in ROLES:
            at.get("role").fail(f"invalid role {self.role}, expected one of: {', '.join(ROLES)}")

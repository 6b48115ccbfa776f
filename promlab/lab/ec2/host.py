"""The simulated cloud's process: `python -m promlab.lab.ec2.host FOLDER`.

It writes `ready.json` into the folder when it answers, and ends with the kernel that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import asyncssh

from promlab import lifeline
from promlab.lab.ec2 import control, places, repository, ssh_server
from promlab.lab.ec2.aws import Aws, Wanted
from promlab.lab.ec2.firewall import Firewall
from promlab.lab.ec2.machine import Machine

_LOOK_S = 0.5


class _Running:
    """A machine that is on, with what listens for it."""

    def __init__(
        self, machine: Machine, firewall: Firewall, ssh: asyncssh.SSHAcceptor, words: asyncio.Server
    ) -> None:
        self.machine, self._firewall, self._ssh, self._words = machine, firewall, ssh, words

    async def halt(self) -> None:
        """Off, from the outside in."""
        await self._firewall.stop()
        self._ssh.close()
        self._words.close()
        await self.machine.halt()


class Host:
    """Keeps machines as the API wants them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._plan = folder, places.choose(random.SystemRandom())
        self._ssh_port = places.ssh_port(self._plan)
        self._changed = asyncio.Event()
        self._machines: dict[str, Machine] = {}
        self._running: dict[str, _Running] = {}
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Until a signal comes."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)

        def changed() -> None:
            loop.call_soon_threadsafe(self._changed.set)

        self._aws = Aws(self._folder, self._plan, changed)
        await asyncio.to_thread(repository.make, self._folder / "git")
        git, address = repository.serve(self._folder / "git")
        self._say_ready(address)
        following = asyncio.ensure_future(self._follow())
        await self._stopped.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await asyncio.gather(*(running.halt() for running in self._running.values()))
        git.shutdown()
        self._aws.stop()
        # A kernel that was killed removes nothing.
        shutil.rmtree(self._folder, ignore_errors=True)

    def _say_ready(self, repository_url: str) -> None:
        ready = {
            "endpoint": self._aws.url,
            "repository": repository_url,
            "ssh_port": self._ssh_port,
            "prefix": self._plan.prefix,
        }
        part = self._folder / "ready.part"
        part.write_text(json.dumps(ready))
        part.rename(self._folder / "ready.json")

    async def _follow(self) -> None:
        while True:
            for wanted in self._aws.instances():
                await self._settle(wanted)
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK_S)

    async def _settle(self, wanted: Wanted) -> None:
        running = self._running.get(wanted.id)
        if wanted.state == "running" and running is None:
            self._running[wanted.id] = await self._boot(wanted)
        elif wanted.state in ("stopped", "terminated") and running is not None:
            del self._running[wanted.id]
            await running.halt()
        if wanted.state == "terminated" and wanted.id in self._machines:
            self._machines.pop(wanted.id).remove()

    async def _boot(self, wanted: Wanted) -> _Running:
        public, private = self._plan.public(wanted.number), self._plan.private(wanted.number)
        inner = self._plan.inner(wanted.number)
        machine = self._machines.get(wanted.id)
        if machine is None:
            machine = Machine(wanted.id, self._folder / "disks", private, inner)
            self._machines[wanted.id] = machine
            machine.prepare()
            await machine.first_start(wanted.user_data)
        machine.prepare()
        words = await control.serve(machine)
        ssh = await ssh_server.serve(machine, self._ssh_port, lambda: wanted.key)
        firewall = Firewall(
            (public, private), inner, self._ssh_port, lambda: self._aws.rules(wanted.id)
        )
        await firewall.start()
        await machine.boot()
        return _Running(machine, firewall, ssh, words)


def main(folder: str) -> int:
    """Serve until the end."""
    lifeline.watch()
    os.umask(0o077)
    asyncio.run(_main(Path(folder)))
    return 0


async def _main(folder: Path) -> None:
    await Host(folder).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""One simulated instance: its folder, its services, its shell's environment.

The folder is the instance's `/`: programs find it as $ROOT. What runs on the instance ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections import deque
from pathlib import Path

import psutil

from promlab.jit import store
from promlab.lab.ec2 import services
from promlab.lab.ec2.places import Place
from promlab.lab.ec2.services import Unit
from promlab.transport import names

USER = "ubuntu"
UMASK = 0o022  # as on any machine; the folder above it all is its owner's alone
_STAND_INS = Path(__file__).parent / "stand_ins"
_SAME = {"systemctl": "service", "apt-get": "service", "apt": "service", "pip3": "pip"}
_ASK = Path(__file__).parent / "ask.py"
_STOP_S = 8.0
_LOOK_AGAIN_S = 0.02
_KEPT_LINES = 200
_CLOUD_LOG = "var/log/cloud-init-output.log"
_FIRST_START_S = 30.0
_BASHRC = r"""
if [ "$USER" = root ]; then PS1='root@$LAB_HOST:\w# '; else PS1='$USER@$LAB_HOST:\w$ '; fi
HISTFILE=
"""
_MOTD = "Welcome to Ubuntu 24.04 LTS (a stand-in: what you do here stays in one folder)\n"


class Service:
    """A unit that was started: its process and its last words."""

    def __init__(self, unit: Unit, process: asyncio.subprocess.Process) -> None:
        self.unit, self.process, self.since = unit, process, time.time()
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.reader = asyncio.ensure_future(self._read())

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self.process.returncode is None

    async def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            async for line in self.process.stdout:
                self.lines.append(line.decode("utf-8", "replace").rstrip()[:500])


class Machine:
    """The instance `id`, switched on by `boot` and off by `halt`."""

    def __init__(self, id: str, folder: Path, private: Place, inner: Place) -> None:
        self.id, self.inner, self._outer = id, inner, private
        self.root = folder / id
        self.host_name = "ip-" + private.host.replace(".", "-")
        self.services: dict[str, Service] = {}
        self.enabled: set[str] = set()

    @property
    def home(self) -> Path:
        """The home folder of the user who logs in."""
        return self.root / "home" / USER

    @property
    def stand_ins(self) -> Path:
        """Commands that this instance has of its own."""
        return self.root / "usr/local/bin"

    @property
    def control(self) -> Path:
        """The socket through which those commands reach the lab."""
        return self.root / "run/lab.sock"

    def prepare(self) -> None:
        """Make the folder, unless it is there from before a stop."""
        for folder in (
            self.home,
            self.root / "root",
            self.root / "run",
            self.root / "etc/default",
            self.root / "etc/systemd/system",
            self.root / "tmp",
            self.stand_ins,
        ):
            folder.mkdir(parents=True, exist_ok=True)  # fmt: skip
        for script in _STAND_INS.iterdir():
            target = self.stand_ins / script.name
            shutil.copyfile(script, target)
            target.chmod(0o755)
        for name, other in _SAME.items():
            shutil.copyfile(self.stand_ins / other, self.stand_ins / name)
            (self.stand_ins / name).chmod(0o755)
        (self.root / "run/ports").write_text(str(self._outer.offset))
        (self.root / "etc/hostname").write_text(f"{self.host_name}\n")
        (self.root / "etc/motd").write_text(_MOTD)
        (self.root / "etc/bash.bashrc").write_text(_BASHRC)

    def environment(self, user: str = USER) -> dict[str, str]:
        """Variables of every program on the instance; none of the lab's own secrets among them."""
        kept = {k: v for k, v in os.environ.items() if k in ("LANG", "LC_ALL", "TZ", "TMPDIR")}
        kept |= {k: v for k, v in os.environ.items() if k.startswith(("PROMLAB_", "PYTHON"))}
        home = self.root / "root" if user == "root" else self.home
        return {
            **kept,
            "PATH": f"{self.stand_ins}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "USER": user,
            "LOGNAME": user,
            "SHELL": "/bin/bash",
            "ROOT": str(self.root),
            "LAB_HOST": self.host_name,
            "LAB_INNER": self.inner.host,
            "LAB_OFFSET": str(self.inner.offset),
            "LAB_PYTHON": sys.executable,
            "LAB_ASK": str(_ASK),
            "LAB_CONTROL": str(self.control),
            # Compiled once, for all instances: a home folder of one's own has no cache.
            "PROMLAB_CACHE_DIR": str(store.cache_dir().parent),
            names.ENV: f"localhost={self.inner.host}+{self.inner.offset}",
        }

    async def start(self, name: str) -> str:
        """Start a service; returns what is wrong, or ""."""
        running = self.services.get(name)
        if running is not None and running.active:
            return ""
        unit = services.unit(name, self.root, self.inner)
        if unit is None:
            return f"Failed to start {name}.service: Unit {name}.service not found."
        environment = {**self.environment("root"), **unit.environment}
        try:
            process = await asyncio.create_subprocess_exec(
                *unit.command,
                cwd=unit.folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                umask=UMASK,
            )
        except OSError as error:
            return f"Failed to start {name}.service: {error.strerror}: {error.filename}"
        self.services[name] = Service(unit, process)
        self.enabled.add(name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.3)  # what dies at once is told at once
        if process.returncode:
            return (
                f"Job for {name}.service failed because the control process exited with error "
                f'code.\nSee "systemctl status {name}.service" for details.'
            )
        return ""

    async def stop(self, name: str) -> None:
        """Stop a service, whose session and all in it end."""
        service = self.services.get(name)
        if service is None or not service.active:
            return
        _signal(service, signal.SIGTERM)
        try:
            await asyncio.wait_for(service.process.wait(), _STOP_S)
        except TimeoutError:
            _signal(service, signal.SIGKILL)
            await service.process.wait()

    def reload(self, name: str) -> bool:
        """Send SIGHUP; False if it does not run."""
        service = self.services.get(name)
        if service is None or not service.active:
            return False
        with contextlib.suppress(ProcessLookupError):
            service.process.send_signal(signal.SIGHUP)
        return True

    async def first_start(self, user_data: bytes) -> None:
        """Run a script as root, as cloud-init does; what it says is kept where that keeps it."""
        if not user_data.startswith(b"#!"):
            return
        script, log = self.root / "var/lib/cloud/user-data", self.root / _CLOUD_LOG
        for path in (script, log):
            path.parent.mkdir(parents=True, exist_ok=True)
        script.write_bytes(user_data)
        script.chmod(0o700)
        with log.open("wb") as output, contextlib.suppress(OSError):
            process = await asyncio.create_subprocess_exec(
                script,
                cwd=self.root,
                env=self.environment("root"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                umask=UMASK,
            )
            try:
                await asyncio.wait_for(process.wait(), _FIRST_START_S)
            except TimeoutError:
                output.write(b"the lab stopped this script: it took too long\n")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    async def boot(self) -> None:
        """Switch on: services that ran when it was switched off start again."""
        self.prepare()
        for name in sorted(self.enabled):
            await self.start(name)

    async def halt(self) -> None:
        """Switch off; what a shell left running in the background ends too."""
        await asyncio.gather(*(self.stop(name) for name in list(self.services)))
        await asyncio.to_thread(self._end_leftovers)

    def _end_leftovers(self) -> None:
        """Programs of this instance are known by their environment, however they were started.

        One that is being started has none to read for a moment: so they are looked for again
        until twice there was none.
        """
        end, quiet = time.monotonic() + _STOP_S, 0
        while quiet < 2 and time.monotonic() < end:
            quiet = 0 if self._kill_all() else quiet + 1
            time.sleep(_LOOK_AGAIN_S)

    def _kill_all(self) -> int:
        found = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get("LAB_CONTROL") == str(self.control):
                    process.kill()
                    found += 1
        return found

    def remove(self) -> None:
        """Delete the disk of an instance that was terminated."""
        shutil.rmtree(self.root, ignore_errors=True)


def _signal(service: Service, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(service.process.pid, number)

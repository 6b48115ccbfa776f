"""The process that a user starts: it takes the address, and keeps writer and reader alive.

Writer and reader are processes of their own, so that a query can never delay a scrape, and
either may die without loss: listening sockets and the data directory belong to neither. This
process does no work of theirs and loads nothing that they load.
"""

from __future__ import annotations

import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec

from promlab import __version__, lifeline
from promlab.errors import ServerError
from promlab.server import settings as settings_module
from promlab.server.rule_check import RuleCheck
from promlab.server.settings import Settings
from promlab.web.log import facts
from promlab.web.sockets import address_of, listen

log = logging.getLogger(__name__)

# How a process says that it can't start, and that starting it again would not help.
EXIT_CANNOT_START = 3
_STOP_S = 30.0
_QUICK_DEATH_S = 5.0
_MAX_PAUSE_S = 5.0


class _Child:
    """One of the two processes, started again whenever it ends."""

    def __init__(self, name: str, settings: Settings, fds: list[int]) -> None:
        self.name, self.settings, self._fds = name, settings, fds
        self.process: subprocess.Popen[bytes] | None = None
        self.next_start = 0.0
        self._pause_s = 0.0
        self._started = 0.0

    def start(self) -> None:
        """Have it begin its work."""
        self.spawn()
        self.tell(self.settings)

    def spawn(self) -> None:
        """Start the process, which loads what it needs and waits to be told."""
        fds = ",".join(map(str, self._fds))
        command = lifeline.python(f"promlab.server.{self.name}", fds)
        self.process = lifeline.spawn(command, stdin=subprocess.PIPE, pass_fds=self._fds)
        self._started = time.monotonic()

    def tell(self, settings: Settings) -> None:
        """Hand over the settings, with which its work begins."""
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(settings_module.encode(settings))
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # It ended at once; `ended` will find that.

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def ended(self) -> int | None:
        """The exit code if it has ended since last asked; plans the next start."""
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        lifeline.release(self.process)
        self.process = None
        now = time.monotonic()
        quick = now - self._started < _QUICK_DEATH_S
        self._pause_s = min(max(0.1, 2 * self._pause_s), _MAX_PAUSE_S) if quick else 0.0
        self.next_start = now + self._pause_s
        return code

    def stop(self) -> None:
        """Ask it to end, and wait; kill it where it does not."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            log.error("A process does not stop, killing it", extra=facts(process=self.name))
            self.process.kill()
            self.process.wait()
        lifeline.release(self.process)
        self.process = None


class Supervisor:
    """Runs one server until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wake_reading, self._wake_writing = os.pipe()
        self._stopping = False
        self._exit_code = 0

    def run(self) -> int:
        """Returns the exit code. Raises ServerError or ConfigError where it can't start."""
        listeners = [listen(address) for address in self._settings.listen_addresses]
        folder = settings_module.short_folder()
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            channel.bind(str(folder / "w"))
            channel.listen(64)
            settings = msgspec.structs.replace(self._settings, channel_path=str(folder / "w"))
            self._watch_signals()
            # The writer goes last in the order of stopping, first in the order of starting.
            children = [
                _Child("writer", settings, [channel.fileno()]),
                _Child("reader", settings, [listener.fileno() for listener in listeners]),
            ]
            self._supervise(children, listeners)
        finally:
            for each in (channel, *listeners):
                each.close()
            shutil.rmtree(folder, ignore_errors=True)
        return self._exit_code

    def _check_config(self) -> None:
        rules = RuleCheck()
        try:
            rules.begin_for(self._settings.config_file)
            from promlab.server.checked_config import load_checked

            load_checked(self._settings, rules.check)
        finally:
            rules.end()

    def _announce(self, listeners: list[socket.socket]) -> None:
        log.info("Starting promlab", extra=facts(version=__version__, pid=os.getpid()))
        addresses = [address_of(listener) for listener in listeners]
        for address in addresses:
            log.info("Listening", extra=facts(address=address))
        if self._settings.address_file:
            # Renamed into place: whoever waits for the file never reads half of it.
            path = Path(self._settings.address_file)
            part = path.with_name(path.name + ".part")
            try:
                part.write_text("".join(f"{address}\n" for address in addresses))
                part.replace(path)
            except OSError as error:
                raise ServerError(f"--web.address-file: {error}") from None

    def _watch_signals(self) -> None:
        os.set_blocking(self._wake_writing, False)
        signal.set_wakeup_fd(self._wake_writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: Any) -> None:
        """Nothing: the wake-up pipe has the number."""

    def _begin(self, children: list[_Child], listeners: list[socket.socket]) -> None:
        """Start all; they load what they need while the configuration is checked."""
        try:
            for child in children:
                child.spawn()
            self._check_config()
            self._announce(listeners)
        except BaseException:
            for child in children:  # They have done nothing yet.
                child.stop()
            raise
        for child in children:
            child.tell(msgspec.structs.replace(child.settings, rules_checked=True))

    def _supervise(self, children: list[_Child], listeners: list[socket.socket]) -> None:
        self._begin(children, listeners)
        try:
            while not self._stopping:
                self._wait(children)
                for child in children:
                    self._revive(child)
        finally:
            log.info("Stopping")
            for child in reversed(children):
                child.stop()
            log.info("See you next time!")

    def _wait(self, children: list[_Child]) -> None:
        """Until a signal comes, or a process is due to be started again."""
        due = [child.next_start for child in children if child.process is None]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        ready, _, _ = select.select([self._wake_reading], [], [], timeout)
        for number in os.read(self._wake_reading, 4096) if ready else b"":
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stopping = True
            elif number == signal.SIGHUP:
                children[0].signal(signal.SIGHUP)

    def _revive(self, child: _Child) -> None:
        code = child.ended()
        if code == EXIT_CANNOT_START:
            self._stopping, self._exit_code = True, 1
        elif code is not None:
            log.error(
                "A process has ended, starting it again",
                extra=facts(process=child.name, exit_code=code),
            )
        if not self._stopping and child.process is None and time.monotonic() >= child.next_start:
            child.start()

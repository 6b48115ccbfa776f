"""SSH into a simulated instance: a real server, with the key pair that boto3 made.

The user is `ubuntu`, and nobody gets in by a password. A shell is a real bash in the instance's
folder, with a terminal where one is asked for; files go by SFTP, within the home folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Callable

import asyncssh

from promlab.lab.ec2.machine import UMASK, USER, Machine

_CHUNK = 65_536


async def serve(
    machine: Machine, port: int, public_key: Callable[[], bytes]
) -> asyncssh.SSHAcceptor:
    """Listen at the machine's inner address; `public_key` is asked at each log-in."""

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            known = public_key()
            if username != USER or not known:
                return False
            return bool(asyncssh.import_public_key(known) == key)

    async def shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
        await _run(machine, process)

    def files(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=str(machine.home).encode())

    host, at = machine.inner.at(port)
    return await asyncssh.create_server(
        Server,
        host,
        at,
        server_host_keys=[_host_key(machine)],
        process_factory=shell,
        sftp_factory=files,
        allow_scp=True,
        encoding=None,
        line_editor=False,
        agent_forwarding=False,
        x11_forwarding=False,
    )


def _host_key(machine: Machine) -> asyncssh.SSHKey:
    """The instance's own, kept on its disk so that it stays the same after a stop."""
    path = machine.root / "etc/ssh_host_ed25519_key"
    if not path.exists():
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(path))
        path.chmod(0o600)
    return asyncssh.read_private_key(str(path))


async def _run(machine: Machine, process: asyncssh.SSHServerProcess[bytes]) -> None:
    command = process.command
    terminal = process.term_type is not None
    words = ["bash", "-c", command] if command else ["bash"]
    if terminal and not command:
        process.stdout.write((machine.root / "etc/motd").read_bytes().replace(b"\n", b"\r\n"))
        words = ["bash", "--rcfile", str(machine.root / "etc/bash.bashrc"), "-i"]
    environment = machine.environment()
    if terminal:
        environment["TERM"] = process.term_type or "dumb"
        code = await _in_terminal(machine, process, words, environment)
    else:
        code = await _through_pipes(machine, process, words, environment)
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)


async def _through_pipes(
    machine: Machine,
    process: asyncssh.SSHServerProcess[bytes],
    words: list[str],
    environment: dict[str, str],
) -> int:
    child = await asyncio.create_subprocess_exec(
        *words,
        cwd=machine.home,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        umask=UMASK,
    )
    try:
        await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
        await process.stdout.drain()
        return await child.wait()
    finally:
        _end(child)


async def _in_terminal(
    machine: Machine,
    process: asyncssh.SSHServerProcess[bytes],
    words: list[str],
    environment: dict[str, str],
) -> int:
    master, slave = os.openpty()
    _resize(master, process.term_size)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def output() -> None:
        try:
            data = os.read(master, _CHUNK)
        except OSError:  # how Linux says that the last program has left the terminal
            data = b""
        if data:
            process.stdout.write(data)
        else:
            loop.remove_reader(master)
            ended.set()

    child = await asyncio.create_subprocess_exec(
        *words,
        cwd=machine.home,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        umask=UMASK,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    loop.add_reader(master, output)
    typing = asyncio.ensure_future(_typed(process, master))
    try:
        code = await child.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 0.5)
        return code
    finally:
        typing.cancel()
        loop.remove_reader(master)
        os.close(master)
        _end(child)


async def _typed(process: asyncssh.SSHServerProcess[bytes], master: int) -> None:
    """Send what comes over the connection to the terminal, until it ends."""
    while True:
        try:
            data = await process.stdin.read(_CHUNK)
        except asyncssh.TerminalSizeChanged as change:
            _resize(master, (change.width, change.height, change.pixwidth, change.pixheight))
            continue
        except (asyncssh.BreakReceived, asyncssh.SignalReceived):
            data = b"\x03"
        if not data:
            os.write(master, b"\x04")
            return
        os.write(master, data)


def _resize(master: int, size: tuple[int, int, int, int]) -> None:
    columns, rows, *_ = size
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows or 24, columns or 80, 0, 0))


def _end(child: asyncio.subprocess.Process) -> None:
    """Nothing that a shell started outlives the connection, but for services."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGHUP)

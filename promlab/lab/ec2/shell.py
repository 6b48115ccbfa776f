"""Running commands on an instance over SSH, from a cell: works on the real AWS as well.

`run` gives what the commands print as it comes. The key file must be readable by its owner only,
as for `ssh` itself. The host's key is taken as it is: an instance is new, and its address was
learned from the API a moment ago.
"""

from __future__ import annotations

import asyncio
import queue
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from promlab.errors import NotRunning, ServerError

if TYPE_CHECKING:
    import os

CONNECT_S = 8.0
_CHUNK = 65_536


class Session:
    """One script on one instance: iterate over its output, then ask for `code`."""

    def __init__(self, host: str, port: int, user: str, key: str | os.PathLike[str]) -> None:
        self.host, self.port, self.user, self.key = host, port, user, Path(key)
        self.code: int | None = None
        check_key(self.key)

    def run(self, script: str) -> Iterator[str]:
        """Output of bash that is given this script, errors among it, piece by piece.

        Raises NotRunning where nobody answers, ServerError where the key is not accepted.
        """
        pieces: queue.Queue[str | BaseException | None] = queue.Queue()

        def work() -> None:
            try:
                asyncio.run(self._run(script, pieces))
            except BaseException as error:
                pieces.put(error)
            pieces.put(None)

        # A loop of its own: the kernel's runs already.
        threading.Thread(target=work, name="promlab-ssh", daemon=True).start()
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise self._explained(piece) from None
            yield piece

    async def _run(self, script: str, pieces: queue.Queue[str | BaseException | None]) -> None:
        import asyncssh

        async with asyncssh.connect(
            self.host,
            self.port,
            username=self.user,
            client_keys=[str(self.key)],
            known_hosts=None,
            config=None,
            agent_path=None,
            connect_timeout=CONNECT_S,
            login_timeout=CONNECT_S,
        ) as connection:
            process = await connection.create_process("bash -s", stderr=asyncssh.STDOUT)
            process.stdin.write(script if script.endswith("\n") else script + "\n")
            process.stdin.write_eof()
            while text := await process.stdout.read(_CHUNK):
                pieces.put(str(text))
            done = await process.wait()
            self.code = -1 if done.exit_status is None else int(done.exit_status)

    def _explained(self, error: BaseException) -> BaseException:
        import asyncssh

        where = f"{self.user}@{self.host}:{self.port}"
        if isinstance(error, (TimeoutError, asyncssh.ConnectionLost)):
            return NotRunning(
                f"{where} does not answer within {CONNECT_S:g} s: is the instance running, and "
                "does a security group let port 22 in from your address?"
            )
        if isinstance(error, ConnectionError):
            return NotRunning(f"nothing listens at {where}: is the instance still starting?")
        if isinstance(error, asyncssh.PermissionDenied):
            return ServerError(
                f"{where} does not accept the key {self.key}: was the instance launched with the "
                "key pair of that name, and is the user right?"
            )
        if isinstance(error, (asyncssh.Error, OSError)):
            return ServerError(f"{where}: {error}")
        return error


def check_key(path: Path) -> None:
    """Raise ServerError unless this is a key file that only its owner can read."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ServerError(
            f"the key {path} can't be read: {(error.strerror or '').lower()}"
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ServerError(
            f"the key {path} can be read by others (mode {stat.S_IMODE(mode):04o}), so ssh would "
            f"refuse it: chmod 600 {path}"
        )


def write_key(material: str, path: Path) -> Path:
    """Write a private key so that only its owner can read it; an older file is replaced."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(material)
    return path

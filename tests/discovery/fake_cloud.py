"""Names that only exist in public, served here: a proxy that leads every TLS connection to a fake.

A client that is told to use the proxy, and to believe our authority, talks to the fake as if it
were the hoster.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from fake_api import FakeApi, Routes, loop_in_thread, serving


@dataclass
class Cloud:
    """A fake behind a proxy, and the options that a section needs to get there."""

    api: FakeApi
    proxy: str
    ca_file: Path

    @property
    def options(self) -> str:
        return f"proxy_url: '{self.proxy}', tls_config: {{ca_file: '{self.ca_file}'}}"


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def server_tls(folder: Path, *names: str) -> ssl.SSLContext:
    """A server with a certificate for these names; its authority is in ca.pem of the folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",))).configure_cert(tls)
    return tls


@contextmanager
def cloud(routes: Routes, folder: Path, *names: str) -> Iterator[Cloud]:
    """A fake that answers for these host names."""
    tls, ca_file = server_tls(folder, *names), folder / "ca.pem"

    with serving(routes, tls=tls) as api, loop_in_thread() as run:
        port = int(api.base.rpartition(":")[2])

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            assert request.startswith(b"CONNECT "), request
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            their_reader, their_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pipe(reader, their_writer), _pipe(their_reader, writer))

        async def start() -> asyncio.Server:
            return await asyncio.start_server(connect, "127.0.0.1", 0)

        server = run(start())
        try:
            proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield Cloud(api, proxy, ca_file)
        finally:

            async def close() -> None:
                server.close()

            run(close())

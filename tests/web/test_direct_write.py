"""What is written at once arrives whole and in order, whatever the other end does."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
import uvloop

from promlab.web.direct_write import DirectWriter

PARTS = [bytes([n % 251]) * (60_000 + n) for n in range(100)]


class Talker(asyncio.Protocol):
    """Says all its parts, without waiting for anybody to listen."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        found = cast("asyncio.Transport", transport)  # uvloop's own are not of that class
        writer = DirectWriter(found)
        for part in PARTS:
            writer.write(part)
        found.close()


async def heard(*, abort: bool = False) -> bytes:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Talker, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.sleep(0.05)  # as much as fits is on its way by now
    if abort:
        writer.transport.abort()
        await asyncio.sleep(0.05)
    said = await reader.read(-1) if not abort else b""
    writer.close()
    server.close()
    return said


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_all_of_it_in_order_to_who_reads_late(run: object) -> None:
    assert callable(run)
    assert run(heard()) == b"".join(PARTS)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_goes_away_breaks_nothing(run: object) -> None:
    assert callable(run)
    assert run(heard(abort=True)) == b""
    assert run(heard()) == b"".join(PARTS)

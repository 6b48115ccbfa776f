from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promlab.errors import NotReady, ServerError, StorageError
from promlab.server.channel import (
    ChannelClient,
    ChannelServer,
    Columns,
    Header,
    WithColumns,
    pack,
)


async def double(body: Any, columns: Columns) -> Any:
    columns["x"][:] *= 2  # kernels want arrays that can be written
    return WithColumns(body, dict(columns))


async def fail(_body: Any, _columns: Columns) -> Any:
    raise StorageError("the disk is full")


async def crash(_body: Any, _columns: Columns) -> Any:
    raise ZeroDivisionError("secret detail")


async def nap(body: Any, _columns: Columns) -> Any:
    await asyncio.sleep(body)
    return body


HANDLERS = {"double": double, "fail": fail, "crash": crash, "nap": nap}


def listener(folder: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.bind(str(folder / "s"))
    found.listen()
    return found


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ChannelClient]:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    server = ChannelServer(HANDLERS)
    await server.start(listener(tmp_path))
    found = ChannelClient(str(tmp_path / "s"))
    yield found
    await found.close()
    await server.stop()


async def test_columns_go_and_come(client: ChannelClient) -> None:
    columns = {"x": np.arange(3.0), "refs": np.arange(2, dtype=np.uint64), "none": np.zeros(0)}
    body, found = await client.ask("double", {"é": [1, None]}, columns)
    assert body == {"é": [1, None]}
    assert found["x"].tolist() == [0, 2, 4]
    assert found["refs"].dtype == np.uint64
    assert len(found["none"]) == 0


async def test_requests_do_not_wait_for_each_other(client: ChannelClient) -> None:
    slow = asyncio.create_task(client.ask("nap", 0.05))
    assert await client.ask("nap", 0) == 0
    assert not slow.done()
    assert await slow == 0.05


async def test_errors_come_as_text(client: ChannelClient) -> None:
    with pytest.raises(ServerError, match="StorageError: the disk is full"):
        await client.ask("fail")
    with pytest.raises(ServerError, match="no such request: 'nope'"):
        await client.ask("nope")
    with pytest.raises(ServerError, match="internal error") as caught:
        await client.ask("crash")
    assert "secret" not in str(caught.value)


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="is not there"):
        await ChannelClient(str(tmp_path / "nothing")).ask("nap", 0)


async def test_no_answer_in_time(tmp_path: Path) -> None:
    with listener(tmp_path):
        client = ChannelClient(str(tmp_path / "s"), timeout_s=0.01)
        with pytest.raises(NotReady, match="does not answer"):
            await client.ask("nap", 0)
        await client.close()


async def test_a_broken_connection_fails_what_waits_and_is_made_anew(tmp_path: Path) -> None:
    own = listener(tmp_path)
    client = ChannelClient(str(tmp_path / "s"))
    waiting = asyncio.create_task(client.ask("nap", 0))
    own.setblocking(False)
    connection, _ = await asyncio.get_running_loop().sock_accept(own)
    connection.close()
    with pytest.raises(NotReady):
        await waiting
    server = ChannelServer(HANDLERS)
    await server.start(own)
    assert await client.ask("nap", 0) == 0
    await client.close()
    await server.stop()


async def test_who_asks_may_be_killed_meanwhile(tmp_path: Path) -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    server = ChannelServer(HANDLERS)
    await server.start(listener(tmp_path))
    reading, writing = await asyncio.open_unix_connection(str(tmp_path / "s"))
    writing.writelines(pack(Header(1, "double"), {"x": np.zeros(1 << 20)}))
    await reading.readexactly(8)  # the rest of the answer waits to be read
    writing.transport.abort()
    await server.stop()
    gc.collect()
    assert not told

"""A ZooKeeper for tests: its protocol as far as readers speak it, one server, nodes in memory."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from fake_api import loop_in_thread

CREATED, DELETED, CHANGED, CHILDREN = 1, 2, 3, 4
_NO_NODE = -101
_EXISTS, _GET, _LIST, _PING, _LIST_STAT, _SET_WATCHES, _CLOSE = 3, 4, 8, 11, 12, 101, -11


def buffer(data: bytes) -> bytes:
    return struct.pack("!i", len(data)) + data


class FakeZooKeeper:
    """Nodes by path; `put` and `remove` fire the watches that clients have set."""

    def __init__(self, nodes: dict[str, bytes]) -> None:
        self.nodes = {"/": b"", **nodes}
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._watches: dict[tuple[str, str], list[asyncio.StreamWriter]] = {}
        self._zxid = 1

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def children(self, path: str) -> list[str]:
        prefix = path.rstrip("/") + "/"
        below = (node.removeprefix(prefix) for node in self.nodes if node.startswith(prefix))
        return sorted({name for name in below if name and "/" not in name})

    def _fire(self, kind: str, path: str, event: int) -> None:
        for writer in self._watches.pop((kind, path), []):
            body = struct.pack("!iqiii", -1, -1, 0, event, 3) + buffer(path.encode())
            with contextlib.suppress(OSError, RuntimeError):
                writer.write(buffer(body))

    async def put(self, path: str, data: bytes) -> None:
        is_new = path not in self.nodes
        self.nodes[path] = data
        self._zxid += 1
        self._fire("data", path, CREATED if is_new else CHANGED)
        if is_new:
            self._fire("list", path.rpartition("/")[0] or "/", CHILDREN)

    async def remove(self, path: str) -> None:
        del self.nodes[path]
        self._zxid += 1
        self._fire("data", path, DELETED)
        self._fire("list", path, DELETED)
        self._fire("list", path.rpartition("/")[0] or "/", CHILDREN)

    def _stat(self, path: str) -> bytes:
        size, count = len(self.nodes[path]), len(self.children(path))
        z = self._zxid
        return struct.pack("!qqqqiiiqiiq", z, z, 0, 0, 0, 0, 0, 0, size, count, z)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await self._shake_hands(reader, writer)
            while True:
                (size,) = struct.unpack("!i", await reader.readexactly(4))
                xid, op = struct.unpack("!ii", (body := await reader.readexactly(size))[:8])
                error, answer = self._answer(op, body[8:], writer)
                header = struct.pack("!iqi", xid, self._zxid, error)
                writer.write(buffer(header + answer))
                await writer.drain()
                if op == _CLOSE:
                    break
        writer.close()

    async def _shake_hands(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        (size,) = struct.unpack("!i", await reader.readexactly(4))
        asked = await reader.readexactly(size)
        _, _, timeout_ms, session = struct.unpack("!iqiq", asked[:24])
        answer = struct.pack("!iiq", 0, timeout_ms, session or 7) + buffer(bytes(16))
        # Newer clients say whether they only read, and want to hear the same.
        (length,) = struct.unpack("!i", asked[24:28])
        writer.write(buffer(answer + (b"\0" if len(asked) > 28 + length else b"")))

    def _answer(self, op: int, body: bytes, writer: asyncio.StreamWriter) -> tuple[int, bytes]:
        if op not in (_EXISTS, _GET, _LIST, _LIST_STAT):
            assert op in (_PING, _CLOSE, _SET_WATCHES), op
            return 0, b""
        (length,) = struct.unpack("!i", body[:4])
        path = body[4 : 4 + length].decode()
        is_there = path in self.nodes
        if body[4 + length] and (is_there or op == _EXISTS):
            kind = "list" if op in (_LIST, _LIST_STAT) else "data"
            self._watches.setdefault((kind, path), []).append(writer)
        if not is_there:
            return _NO_NODE, b""
        if op == _EXISTS:
            return 0, self._stat(path)
        if op == _GET:
            return 0, buffer(self.nodes[path]) + self._stat(path)
        names = self.children(path)
        listed = struct.pack("!i", len(names)) + b"".join(buffer(name.encode()) for name in names)
        return 0, listed + (self._stat(path) if op == _LIST_STAT else b"")


@contextmanager
def zookeeper(nodes: dict[str, bytes]) -> Iterator[tuple[FakeZooKeeper, object]]:
    """A server with these nodes, and what runs its coroutines."""
    fake = FakeZooKeeper(nodes)
    with loop_in_thread() as run:

        async def start() -> asyncio.Server:
            return await asyncio.start_server(fake.serve, "127.0.0.1", 0)

        async def stop() -> None:
            server.close()
            for writer in fake.writers:
                writer.close()

        server = run(start())
        fake.port = server.sockets[0].getsockname()[1]
        try:
            yield fake, run
        finally:
            run(stop())

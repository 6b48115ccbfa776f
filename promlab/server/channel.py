"""The channel between the server's processes: small requests and columns over a Unix socket.

A frame is two little-endian u32 (bytes of the header, bytes of the columns), a msgpack
header, and the columns' raw bytes one after the other. A request's header has `id`, `kind`,
`body` and the columns' dtypes and lengths; the answer has the same `id`, and `error` where
it failed. Several requests may be under way at once. Nothing is pickled, and sizes are
checked before anything is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from promlab.errors import NotReady, PromlabError, ServerError

MAX_HEADER_BYTES = 256 << 20
MAX_COLUMN_BYTES = 1 << 30
_DTYPES = {"u1", "u4", "u8", "i4", "i8", "f8"}

Columns = Mapping[str, npt.NDArray[Any]]
Handler = Callable[[Any, Columns], Awaitable[Any]]


class Header(msgspec.Struct, array_like=True):
    """What comes before the columns; `columns` lists name, dtype and length of each."""

    id: int
    kind: str
    body: Any = None
    error: str = ""
    columns: list[tuple[str, str, int]] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Header).decode


def pack(header: Header, columns: Columns) -> list[bytes]:
    """The parts of a frame."""
    parts: list[bytes] = []
    for name, column in columns.items():
        header.columns.append((name, column.dtype.str[1:], len(column)))
        parts.append(np.ascontiguousarray(column).tobytes())
    text = _encode(header)
    sizes = np.array([len(text), sum(map(len, parts))], "<u4").tobytes()
    return [sizes, text, *parts]


async def read_frame(reader: asyncio.StreamReader) -> tuple[Header, Columns]:
    """The next frame. Raises IncompleteReadError at the end, ServerError for a bad frame."""
    header_size, column_size = np.frombuffer(await reader.readexactly(8), "<u4").tolist()
    if header_size > MAX_HEADER_BYTES or column_size > MAX_COLUMN_BYTES:
        raise ServerError("a frame between the server's processes is too large")
    header = _decode(await reader.readexactly(header_size))
    # Writable, because kernels are compiled for arrays that are.
    raw = bytearray(await reader.readexactly(column_size))
    columns, at = {}, 0
    for name, dtype, length in header.columns:
        if dtype not in _DTYPES:
            raise ServerError(f"a frame between the server's processes has a column of {dtype!r}")
        columns[name] = np.frombuffer(raw, dtype, length, at)
        at += columns[name].nbytes
    return header, columns


class ChannelServer:
    """Answers requests on a listening Unix socket, each kind by its handler."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)

    async def stop(self) -> None:
        """Accept nothing more, and finish what is under way."""
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                header, columns = await read_frame(reader)
                task = asyncio.create_task(self._answer(header, columns, writer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, request: Header, columns: Columns, writer: asyncio.StreamWriter
    ) -> None:
        answer, answer_columns = Header(request.id, request.kind), {}
        handler = self._handlers.get(request.kind)
        try:
            if handler is None:
                raise ServerError(f"no such request: {request.kind!r}")
            found = await handler(request.body, columns)
            if isinstance(found, WithColumns):
                answer.body, answer_columns = found.body, dict(found.columns)
            else:
                answer.body = found
        except PromlabError as error:
            answer.error = f"{type(error).__name__}: {error}"
        except Exception as error:
            answer.error = "internal error: the server's log says more"
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"request {request.kind!r} failed", "exception": error}
            )
        with contextlib.suppress(ConnectionError):  # who asked may be gone: nobody waits then
            if not writer.is_closing():
                writer.writelines(pack(answer, answer_columns))
                await writer.drain()


class WithColumns(msgspec.Struct):
    """An answer that carries columns."""

    body: Any
    columns: dict[str, Any]


class ChannelClient:
    """Asks the process at the other end; connects when first used, and again after a break."""

    def __init__(self, path: str, timeout_s: float = 30.0) -> None:
        self._path, self._timeout_s = path, timeout_s
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[tuple[Header, Columns]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, kind: str, body: Any = None, columns: Columns | None = None) -> Any:
        """The body of the answer; its columns too where it has some.

        Raises ServerError with the other end's text, NotReady where there is no answer.
        """
        header, found = await self.ask_columns(kind, body, columns)
        return header.body if not found else (header.body, found)

    async def ask_columns(
        self, kind: str, body: Any = None, columns: Columns | None = None
    ) -> tuple[Header, Columns]:
        """The answer as it is."""
        request = Header(next(self._ids), kind, body)
        try:
            async with asyncio.timeout(self._timeout_s):
                writer = await self._connected()
                future = asyncio.get_running_loop().create_future()
                self._waiting[request.id] = future
                writer.writelines(pack(request, columns or {}))
                await writer.drain()
                header, answer = await future
        except TimeoutError:
            raise NotReady("the process that stores samples does not answer") from None
        except OSError as error:
            raise NotReady(f"the process that stores samples is not there: {error}") from None
        finally:
            self._waiting.pop(request.id, None)
        if header.error:
            raise ServerError(header.error)
        return header, answer

    async def close(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._lock:
            if self._writer is None or self._writer.is_closing():
                reader, self._writer = await asyncio.open_unix_connection(self._path)
                self._task = asyncio.create_task(self._receive(reader, self._writer))
            return self._writer

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        error: Exception = ConnectionResetError("the connection was closed")
        try:
            while True:
                header, columns = await read_frame(reader)
                waiting = self._waiting.pop(header.id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result((header, columns))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            waiting_now, self._waiting = self._waiting, {}
            for future in waiting_now.values():
                if not future.done():
                    future.set_exception(error)

"""Two kinds of files: append-only ones that undo a failed write, and mapped ones that grow.

Disk space of a mapped file is reserved before it is mapped, so that a full disk is an error
here and not a signal later. Both turn every OSError into a StorageError that names the file.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError

Longs = npt.NDArray[np.int64]


def failed(action: str, path: Path, error: OSError) -> StorageError:
    """The error for an operation on a file that the system refused."""
    hint = ": free some space, it goes on by itself" if error.errno == errno.ENOSPC else ""
    return StorageError(f"cannot {action} {path}: {error.strerror}{hint}")


def sync_directory(path: Path) -> None:
    """Make new and gone names in a folder durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, content: bytes) -> None:
    """Put a small file in the place of an older one, all of it or nothing, and force it and
    its name to the disk. Raises StorageError.
    """
    aside = path.with_suffix(".tmp")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise failed("write", path, error) from None


def reserve(fd: int, size: int) -> None:
    """Extend a file to `size` bytes with real disk space behind them."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    at = os.fstat(fd).st_size
    while at < size:
        at += os.pwrite(fd, bytes(min(1 << 20, size - at)), at)


class AppendFile:
    """A file that only grows; `size` counts what was written, not what is reserved."""

    def __init__(self, path: Path, *, reserve_step: int = 0) -> None:
        self.path = path
        self._step = reserve_step
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise failed("open", path, error) from None
        self.size = os.fstat(self.fd).st_size
        self._reserved = self.size

    def write(self, data: bytes | memoryview) -> int:
        """Append all of `data` or nothing of it; the offset where it begins."""
        start = self.size
        view = memoryview(data)
        try:
            if self._step and start + len(view) > self._reserved:
                reserved = (start + len(view)) // self._step * self._step + self._step
                reserve(self.fd, reserved)
                self._reserved = reserved
            done = 0
            os.lseek(self.fd, start, os.SEEK_SET)
            while done < len(view):
                done += os.write(self.fd, view[done:])
        except OSError as error:
            self.cut(start)
            raise failed("write", self.path, error) from None
        self.size = start + len(view)
        return start

    def cut(self, size: int) -> None:
        """Forget everything after `size`, and give reserved space back."""
        try:
            os.ftruncate(self.fd, size)
        except OSError as error:
            raise failed("truncate", self.path, error) from None
        self.size = self._reserved = size

    def sync(self) -> None:
        """Wait until everything written is on the disk."""
        try:
            os.fdatasync(self.fd)
        except OSError as error:
            raise failed("sync", self.path, error) from None

    def close(self) -> None:
        """Close the file; does nothing the second time."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class WritableMap:
    """A file of 64-bit integers, mapped for writing, that grows by remapping.

    `longs` is a new array after each growth: fetch it again, old ones stay valid.
    """

    def __init__(self, path: Path, longs: int) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise failed("create", path, error) from None
        self.longs: Longs = np.zeros(0, np.int64)
        self.grow(longs)

    def grow(self, longs: int) -> None:
        """Make room for at least this many integers; new ones are 0."""
        if longs <= len(self.longs):
            return
        size = -(-longs * 8 // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            reserve(self._fd, size)
            mapped = mmap.mmap(self._fd, size)
        except OSError as error:
            raise failed("extend", self.path, error) from None
        self.longs = np.frombuffer(mapped, np.int64)

    def sync(self) -> None:
        """Wait until everything written is on the disk."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise failed("sync", self.path, error) from None

    def cut(self, size: int) -> None:
        """Give back what lies behind `size` bytes; nothing may be written any more."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise failed("truncate", self.path, error) from None

    def close(self) -> None:
        """Let go of the file; arrays in use stay valid."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self.longs = np.zeros(0, np.int64)


class ReadableMap:
    """A file mapped read-only as far as it reaches now; keep the object while you use it."""

    __slots__ = ("_mapped", "address", "size")
    _mapped: mmap.mmap | bytes

    def __init__(self, path: Path) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self.size = os.fstat(fd).st_size
                self._mapped = mmap.mmap(fd, self.size, access=mmap.ACCESS_READ)
            finally:
                os.close(fd)
        except ValueError:
            self.size, self.address = 0, 0
        except OSError as error:
            raise failed("read", path, error) from None
        else:
            self.address = int(self.bytes.__array_interface__["data"][0])

    @classmethod
    def empty(cls) -> ReadableMap:
        """A map of nothing."""
        made = cls.__new__(cls)
        made.size, made.address = 0, 0
        return made

    @classmethod
    def of(cls, content: bytes) -> ReadableMap:
        """Bytes in memory, to be used like a map."""
        made = cls.empty()
        if content:
            made._mapped, made.size = content, len(content)
            made.address = int(made.bytes.__array_interface__["data"][0])
        return made

    def forget_pages(self) -> None:
        """Give back what was read of the file: it is read again where it is used again."""
        if self.size and isinstance(self._mapped, mmap.mmap):
            self._mapped.madvise(mmap.MADV_DONTNEED)

    @property
    def bytes(self) -> npt.NDArray[np.uint8]:
        """The content, read-only."""
        return np.frombuffer(self._mapped, np.uint8) if self.size else np.zeros(0, np.uint8)

    @property
    def longs(self) -> Longs:
        """The content as 64-bit integers."""
        return self.bytes[: self.size // 8 * 8].view(np.int64)

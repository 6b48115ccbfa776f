"""Giving back the memory of LLVM's own code once all kernels are loaded.

LLVM's library is some 45 MB of machine code that a process needs while it links kernels, and
hardly ever after. Its pages are clean copies of a file: dropping them costs nothing, and
whatever is needed again is read again.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
from pathlib import Path

_MADV_DONTNEED = 4
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) r-xp .*libllvmlite", re.MULTILINE)


def release() -> None:
    """Drop the resident pages of LLVM's code from this process; does nothing but on Linux."""
    with contextlib.suppress(OSError, AttributeError):
        maps = Path("/proc/self/maps").read_text()
        libc = ctypes.CDLL(None)
        # Only read-and-execute mappings: nobody can have written to those.
        for start, end in _MAPPING.findall(maps):
            address, size = int(start, 16), int(end, 16) - int(start, 16)
            libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), _MADV_DONTNEED)

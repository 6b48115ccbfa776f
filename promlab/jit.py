"""Compiled kernels: one decorator, one cache, one warm-up.

A kernel is a small function over numpy arrays that numba compiles ahead of its first call,
from explicit signatures, without the GIL. Its machine code is cached in a folder of
promlab's own (`cache_dir`), whose name changes with every kernel's source, so that a stale
cache can't be met. Modules of kernels are named `kernels*.py` or `*_kernels.py`: importing
one compiles what it holds (seconds), or loads it from the cache (milliseconds), so import
them where they are used, not at the top of a package.

Nothing else in promlab imports numba.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = Path(__file__).parent


def kernel(*signatures: str, inline: bool = False) -> Callable[[F], F]:
    """Compile a function for each of the numba `signatures`, cached and without the GIL.

    With no signature the function is a helper, compiled into the kernels that call it;
    `inline` asks for it to be inlined there.
    """

    def decorate(function: F) -> F:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        if not signatures:
            helper: F = numba.njit(inline="always" if inline else "never", **options)(function)
            return helper
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(cache_dir())
        try:
            compiled: F = numba.njit(list(signatures), cache=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = before
        return compiled

    return decorate


@lru_cache(maxsize=1)
def cache_dir() -> Path:
    """Where machine code is kept: $PROMLAB_CACHE_DIR or the user's cache folder."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    base = Path(os.environ.get("PROMLAB_CACHE_DIR") or Path(caches) / "promlab")
    path = base / "kernels" / _fingerprint()
    try:
        path.mkdir(parents=True, exist_ok=True)
        if os.access(path, os.W_OK):
            return path
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="promlab-kernels-"))


def _fingerprint() -> str:
    """Changes whenever a kernel, numba or Python does."""
    digest = hashlib.sha256(f"{sys.version} {numba.__version__}".encode())
    for source in sorted(_PACKAGE.rglob("*kernels*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def kernel_modules() -> list[str]:
    """Names of all modules of promlab that hold kernels."""
    found = pkgutil.walk_packages([str(_PACKAGE)], "promlab.")
    return sorted(module.name for module in found if "kernels" in module.name.rpartition(".")[2])


def warmup() -> Iterator[str]:
    """Compile or load every kernel; yields each module's name before it is imported."""
    for name in kernel_modules():
        yield name
        importlib.import_module(name)

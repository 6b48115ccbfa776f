"""Where machine code is kept: one file a module, named for what it was made from.

The name has a hash of the module's source and of the kernels that it builds on, of the
compiler, of the libraries and of the processor, so that stale or foreign code can't be met.
Files are written aside and renamed: a reader never sees half of one.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import tempfile
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import msgspec

_PACKAGE = Path(__file__).parent.parent
_IMPORT = re.compile(r"^(?:from|import) promlab\.([\w.]*kernels\w*)", re.MULTILINE)
_SCRAPE_PATH = ("promlab.exposition", "promlab.tsdb")


class Argument(msgspec.Struct, frozen=True, array_like=True):
    """One argument of a kernel: numpy's name of its type, and of an array its shape."""

    dtype: str
    ndim: int = 0
    contiguous: bool = False
    mutable: bool = False


class Code(msgspec.Struct, frozen=True, array_like=True):
    """Machine code of one kernel; `wrapper` and `environment` are names of symbols in it."""

    name: str
    wrapper: str
    environment: str
    arguments: tuple[Argument, ...]
    binary: bytes


@lru_cache(maxsize=1)
def cache_dir() -> Path:
    """The folder: in $PROMLAB_CACHE_DIR, or the user's cache, or a temporary one."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    path = Path(os.environ.get("PROMLAB_CACHE_DIR") or Path(caches) / "promlab") / "kernels"
    try:
        path.mkdir(parents=True, exist_ok=True)
        if os.access(path, os.W_OK):
            return path
    except OSError:
        pass
    # A folder of this user's own: code that others could write must never be loaded.
    path = Path(tempfile.gettempdir()) / f"promlab-kernels-{os.getuid()}"
    path.mkdir(exist_ok=True, mode=0o700)
    facts = path.stat()
    if facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        return Path(tempfile.mkdtemp(prefix="promlab-kernels-"))
    return path


def kernel_modules() -> list[str]:
    """Names of all modules of promlab that hold kernels, those of the scrape path first."""
    sources = (path.relative_to(_PACKAGE.parent) for path in _PACKAGE.rglob("*kernels*.py"))
    names = [".".join(source.with_suffix("").parts) for source in sources]
    return sorted(names, key=lambda name: (not name.startswith(_SCRAPE_PATH), name))


def halves() -> tuple[list[str], list[str]]:
    """All modules of kernels, for two that compile side by side: of the scrape path, and others."""
    names = kernel_modules()
    scraping = [name for name in names if name.startswith(_SCRAPE_PATH)]
    return scraping, names[len(scraping) :]


@lru_cache(maxsize=256)
def path_of(module: str, *, portable: bool = False) -> Path:
    """The file of one module's machine code: for this processor, or for any of its kind."""
    digest = hashlib.sha256(_surroundings())
    digest.update(b"any" if portable else _processor().encode())
    for source in sorted(_sources(module, set())):
        digest.update(source.read_bytes())
    return cache_dir() / f"{module}-{digest.hexdigest()[:16]}"


def is_built(module: str, *, portable: bool | None = None) -> bool:
    """Whether that module needs no compiling; of either kind if `portable` is None."""
    kinds = (False, True) if portable is None else (portable,)
    return any(path_of(module, portable=kind).exists() for kind in kinds)


def write(module: str, codes: list[Code], *, portable: bool = False) -> None:
    """Keep a module's machine code."""
    path = path_of(module, portable=portable)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(msgspec.msgpack.encode(codes))
    Path(file.name).replace(path)


def read(module: str) -> list[Code]:
    """A module's machine code, made for this processor where there is some.

    Raises FileNotFoundError where it was never compiled.
    """
    path = path_of(module, portable=not is_built(module, portable=False))
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Code])


def _sources(module: str, found: set[Path]) -> set[Path]:
    """The source of a module of kernels, and of all modules of kernels that it imports."""
    source = _PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py")
    if source not in found:
        found.add(source)
        for name in _IMPORT.findall(source.read_text(encoding="utf-8")):
            _sources(f"promlab.{name}", found)
    return found


@lru_cache(maxsize=1)
def _surroundings() -> bytes:
    """What all machine code depends on: compiler, libraries and processor."""
    facts = [sys.version, version("numba"), version("llvmlite"), version("numpy")]
    facts.append(platform.machine())
    compiler = Path(__file__).with_name("build.py").read_bytes()
    return b"".join([*(fact.encode() for fact in facts), compiler])


@lru_cache(maxsize=1)
def _processor() -> str:
    """What this processor can do, where the system tells it cheaply."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features")))

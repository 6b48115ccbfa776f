"""Compiled kernels: one decorator, machine code that is made once and loaded ever after.

A kernel is a small function over numpy arrays. `promlab warmup` compiles all kernels with
numba, in a process of its own (`build.py`), and keeps their machine code in a folder whose
name changes with every kernel's source (`store.py`). Every other process loads that code
with LLVM alone (`load.py`): importing numba would cost it a third of a second and 100 MB.
A process that needs kernels that are not there yet starts a warm-up and waits for it.

Modules of kernels are named `kernels*.py` or `*_kernels.py`. Import them where they are used,
not at the top of a package. What they need of numba for their own low-level helpers
(`intrinsic`, `ir`, `types`, `carray`) they import from here: outside a warm-up those are
placeholders.

With PROMLAB_CHECK_KERNELS=1 the types of all arguments are checked at each call, as the tests
do: the machine code itself believes what it is given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    carray: Any
    ir: Any
    types: Any

    def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
        """`numba.extending.intrinsic`: a function that emits LLVM instructions."""


_NUMBA = {
    "carray": "numba",
    "intrinsic": "numba.extending",
    "ir": "llvmlite",
    "types": "numba",
}
_building = False


def kernel(signature: str = "", *, inline: bool = False) -> Callable[[F], F]:
    """Make a function a kernel: compiled for this numba `signature`, run without the GIL.

    Without a signature it is a helper, which only kernels call; `inline` copies it into them.
    """

    def decorate(function: F) -> F:
        if _building:
            from promlab.jit import build

            return build.compile_kernel(function, signature, inline)
        if not signature:
            return function
        from promlab.jit import load

        return load.kernel(function)

    return decorate


def building() -> bool:
    """Whether this process compiles kernels, instead of loading them."""
    return _building


def build_here() -> None:
    """From now on, kernels that are imported are compiled in this process."""
    global _building
    _building = True


def __getattr__(name: str) -> Any:
    home = _NUMBA.get(name)
    if home is None:
        raise AttributeError(f"module 'promlab.jit' has no attribute {name!r}")
    if _building:
        __import__(f"{home}.{name}" if name == "ir" else home)
        return getattr(sys.modules[home], name)
    return (lambda function: function) if name == "intrinsic" else None

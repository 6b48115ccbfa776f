"""Compiling kernels with numba: what `promlab warmup` does. Nothing else imports numba."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numba
from numba.core.caching import NullCache

from promlab import jit
from promlab.jit import store
from promlab.jit.store import Argument, Code

F = TypeVar("F", bound=Callable[..., Any])

_codes: dict[str, list[Code]] = defaultdict(list)


def warmup(modules: Iterable[str], *, portable: bool = False) -> Iterator[str]:
    """Compile what is not compiled yet; yields each module's name before its turn.

    Importing a module may compile others that it builds on: their code is kept too. Those
    with nothing but helpers have an empty file. `portable` code runs on any processor of this
    one's kind: for images that are built on one machine and run on others.
    """
    if portable:
        numba.config.CPU_NAME, numba.config.CPU_FEATURES = "generic", ""
    jit.build_here()
    for module in modules:
        if not store.is_built(module, portable=portable):
            yield module
            importlib.import_module(module)
            for compiled in list(_codes):
                store.write(compiled, _codes.pop(compiled), portable=portable)
            if not store.is_built(module, portable=portable):
                store.write(module, [], portable=portable)


def compile_kernel(function: F, signature: str, inline: bool) -> F:
    """The function as numba's own, and its machine code kept for `store.write`."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    if not signature:
        helper: F = numba.njit(inline="always" if inline else "never", **options)(function)
        return helper
    compiled: Any = numba.njit(**options)(function)
    compiled._cache = _Keep(function)
    compiled.compile(signature)
    compiled.disable_compile()
    result: F = compiled
    return result


class _Keep(NullCache):  # type: ignore[misc]  # numba has no types
    """Stands in for numba's cache, to be handed what was compiled."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep the object code of one compiled signature."""
        _, _, (binary, _bitcode) = result.library.serialize_using_object_code()
        if result.environment.consts:
            raise TypeError(f"kernel {self._function.__name__} needs Python objects to run")
        code = Code(
            name=self._function.__name__,
            wrapper=result.fndesc.llvm_cpython_wrapper_name,
            environment=result.target_context.get_env_name(result.fndesc),
            arguments=tuple(map(_argument, result.signature.args)),
            binary=binary,
        )
        _codes[self._function.__module__].append(code)


def _argument(kind: Any) -> Argument:
    if isinstance(kind, numba.types.Array):
        dtype = numba.np.numpy_support.as_dtype(kind.dtype).str
        return Argument(dtype, kind.ndim, kind.layout == "C", kind.mutable)
    return Argument(str(kind))

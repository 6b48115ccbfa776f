"""Loading the machine code of kernels, with LLVM but without numba.

numba wraps each kernel in a C function that takes Python's arguments, unpacks arrays, lets go
of the GIL and calls the kernel. That wrapper is in the stored code too. All that it needs from
numba are three small extension modules, which are loaded here by their files, because
importing `numba` itself would import the compiler.
"""

from __future__ import annotations

import builtins
import ctypes
import importlib.util
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import lru_cache, wraps
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from promlab import lifeline
from promlab.errors import PromlabError
from promlab.jit import store
from promlab.jit.store import Argument, Code

F = TypeVar("F", bound=Callable[..., Any])

log = logging.getLogger(__name__)

_lock = threading.RLock()
_modules: dict[str, dict[str, Callable[..., Any]]] = {}


class KernelsMissing(PromlabError):
    """Kernels could not be compiled."""


def kernel(function: F) -> F:
    """The compiled form of a function, compiling its module first where need be."""
    with _lock:
        module = function.__module__
        if module not in _modules:
            _modules[module] = _load(module)
        found = _modules[module].get(function.__name__)
    if found is None:
        raise KernelsMissing(f"{module} has no compiled kernel {function.__name__}")
    result: F = found  # type: ignore[assignment]  # the same function, compiled
    return result


def prepare(*rooms: str) -> None:
    """Compile at once whatever is not compiled yet of these rooms (`promlab.tsdb`, …).

    Slow the first time, so call it from a thread. Raises KernelsMissing.
    """
    _build(*(name for name in store.kernel_modules() if name.startswith(rooms)))


def _load(module: str) -> dict[str, Callable[..., Any]]:
    _build(module)
    codes = store.read(module)
    machine = _machine()
    for code in codes:
        machine.add(code)
    checked = os.environ.get("PROMLAB_CHECK_KERNELS") == "1"
    compiled = {code.name: machine.function(module, code) for code in codes}
    if checked:
        return {code.name: _checked(compiled[code.name], code) for code in codes}
    return compiled


def _build(*modules: str) -> None:
    """Compile in a process of its own, which takes numba's memory with it when it ends."""
    missing = [module for module in modules if not store.is_built(module)]
    if not missing:
        return
    log.info("compiling kernels, once: %s", ", ".join(missing))
    command = lifeline.python("promlab", "warmup", "--quiet", *missing)
    process = lifeline.spawn(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, said = process.communicate()
    lifeline.release(process)
    if process.returncode or not all(map(store.is_built, missing)):
        reason = said.decode(errors="replace").strip()[-500:]
        raise KernelsMissing(f"kernels of {', '.join(missing)} can't be compiled: {reason}")


class _Machine:
    """LLVM, with what numba's wrappers call."""

    def __init__(self) -> None:
        import llvmlite.binding as llvm

        self._llvm = llvm
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._functions = _extension("_dynfunc")
        _publish(llvm, self._functions, _extension("_helperlib"))
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), jit=True, codemodel="jitdefault"
        )
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)

    def add(self, code: Code) -> None:
        """Link one kernel's object code."""
        self._engine.add_object_file(self._llvm.ObjectFileRef.from_data(code.binary))

    def function(self, module: str, code: Code) -> Callable[..., Any]:
        """A Python function that runs this kernel."""
        self._engine.finalize_object()
        environment = self._functions.Environment({"__name__": module})
        slot = self._engine.get_global_value_address(code.environment)
        if slot:
            ctypes.c_void_p.from_address(slot).value = id(environment)
        address = self._engine.get_function_address(code.wrapper)
        if not address:
            raise KernelsMissing(f"the stored code of {module}.{code.name} is damaged")
        made: Callable[..., Any] = self._functions.make_function(
            sys.modules[module], code.name, f"compiled {code.name}", address, environment, (self,)
        )
        return made


_machine = lru_cache(maxsize=1)(_Machine)


def _extension(name: str) -> ModuleType:
    """One of numba's extension modules, without importing numba."""
    full = f"numba.{name}"
    if full in sys.modules:
        return sys.modules[full]
    spec = importlib.util.find_spec("numba")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    base = Path(next(iter(spec.submodule_search_locations))).joinpath(*name.split("."))
    for suffix in EXTENSION_SUFFIXES:
        path = base.with_name(base.name + suffix)
        if path.exists():
            found = importlib.util.spec_from_file_location(full, path)
            assert found is not None
            assert found.loader is not None
            module = importlib.util.module_from_spec(found)
            found.loader.exec_module(module)
            return module
    raise KernelsMissing(f"numba has no extension module {name}: reinstall numba")


def _publish(llvm: Any, functions: ModuleType, helpers: ModuleType) -> None:
    """Tell LLVM the addresses that compiled code refers to by name."""
    symbols = {f"numba_{name}": at for name, at in helpers.c_helpers.items()}
    symbols |= {f"numba_{name}": at for name, at in functions.c_helpers.items()}
    symbols |= {name: at for name, at in helpers.c_helpers.items() if _is_math(name)}
    runtime = _extension("core.runtime._nrt_python")
    if "numba.core.runtime.nrt" not in sys.modules:
        runtime.memsys_use_cpython_allocator()
    for name, at in runtime.c_helpers.items():
        symbols[name if name.startswith("_") else f"NRT_{name}"] = at
    symbols["_Py_NoneStruct"] = id(None)
    for name, kind in vars(builtins).items():
        if isinstance(kind, type) and issubclass(kind, BaseException):
            symbols[f"PyExc_{name}"] = id(kind)
    for name, at in symbols.items():
        llvm.add_symbol(name, at)


def _is_math(name: str) -> bool:
    """Whether compiled code calls this helper by its C name (`log1p`, `pow`, …)."""
    import math

    return hasattr(math, name.removesuffix("f")) or name in ("powi", "ldexp", "frexp")


def _checked(compiled: Callable[..., Any], code: Code) -> Callable[..., Any]:
    """The kernel behind a check of its arguments."""

    @wraps(compiled)
    def call(*arguments: Any) -> Any:
        if len(arguments) != len(code.arguments):
            raise TypeError(f"{code.name} takes {len(code.arguments)} arguments")
        for at, (given, wanted) in enumerate(zip(arguments, code.arguments, strict=True)):
            problem = _mismatch(given, wanted)
            if problem:
                raise TypeError(f"{code.name}, argument {at}: {problem}")
        return compiled(*arguments)

    return call


def _mismatch(given: Any, wanted: Argument) -> str:
    """What is wrong with an argument; empty if nothing is."""
    if not wanted.ndim:
        return "an array where a number belongs" if np.ndim(given) else ""
    if not isinstance(given, np.ndarray):
        return f"{type(given).__name__} where an array belongs"
    if given.dtype.str != wanted.dtype or given.ndim != wanted.ndim:
        return f"{given.dtype.str}[{given.ndim}d] instead of {wanted.dtype}[{wanted.ndim}d]"
    if wanted.contiguous and not given.flags.c_contiguous:
        return "not contiguous"
    if wanted.mutable and not given.flags.writeable:
        return "read-only"
    return ""

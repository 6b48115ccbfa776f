from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from promlab.jit import load, store
from promlab.jit.store import Argument

TOTAL = """
from promlab.jit import kernel

@kernel()
def square(value):
    return value * value

@kernel("f8(f8[::1], i8)")
def total_of_squares(values, start):
    result = 0.0
    for value in values[start:]:
        result += square(value)
    return result
"""
BUILD = """
import sys
from promlab.jit import build, store
list(build.warmup(["some_kernels"]))
"""


@pytest.fixture(params=["native", "portable"])
def compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """A module of kernels outside the package, compiled into a cache of its own."""
    monkeypatch.setenv("PROMLAB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_PACKAGE", tmp_path / "package")
    monkeypatch.syspath_prepend(str(tmp_path))
    store.cache_dir.cache_clear()
    store.path_of.cache_clear()
    (tmp_path / "some_kernels.py").write_text(TOTAL)
    code = f"import pathlib, sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += f"from promlab.jit import store; store._PACKAGE = pathlib.Path({str(tmp_path)!r}, 'p')"
    build = BUILD.replace("])", "], portable=True)") if request.param == "portable" else BUILD
    subprocess.run([sys.executable, "-c", code + build], check=True)
    yield tmp_path
    sys.modules.pop("some_kernels", None)
    store.cache_dir.cache_clear()
    store.path_of.cache_clear()


def test_kernel_runs_without_numba(compiled: Path) -> None:
    from some_kernels import square, total_of_squares  # type: ignore[import-not-found]

    assert total_of_squares(np.array([1.0, 2.0, 3.0]), 1) == 13.0
    assert square(3) == 9


def test_code_changes_with_the_source(compiled: Path) -> None:
    assert store.is_built("some_kernels")
    (compiled / "some_kernels.py").write_text(TOTAL + "# changed\n")
    store.path_of.cache_clear()
    assert not store.is_built("some_kernels")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (np.zeros(2), ""),
        (np.zeros(2, np.float32), "<f4[1d] instead of <f8[1d]"),
        (np.zeros((2, 2)), "<f8[2d] instead of <f8[1d]"),
        (np.zeros(4)[::2], "not contiguous"),
        ([1.0], "list where an array belongs"),
    ],
)
def test_arguments_are_checked_where_asked_for(given: object, problem: str) -> None:
    wanted = Argument("<f8", 1, contiguous=True, mutable=True)
    assert load._mismatch(given, wanted) == problem


def test_read_only_array_is_refused_where_the_kernel_may_write() -> None:
    frozen = np.zeros(2)
    frozen.setflags(write=False)
    assert load._mismatch(frozen, Argument("<f8", 1, mutable=True)) == "read-only"
    assert load._mismatch(frozen, Argument("<f8", 1, mutable=False)) == ""


def test_kernels_live_in_modules_named_for_them() -> None:
    package = Path(store.__file__).parent.parent
    for path in package.rglob("*.py"):
        if path.parent.name != "jit" and "@kernel(" in path.read_text(encoding="utf-8"):
            assert "kernels" in path.name, f"{path} holds kernels: warmup would not find it"


@pytest.mark.slow  # it compiles
def test_warmup_compiles_what_is_missing(tmp_path: Path) -> None:
    cache = tmp_path / "kernels"
    cache.mkdir()
    missing = ["promlab.tsdb.registry_kernels", "promlab.promql.label_kernels"]  # of either half
    for module in store.kernel_modules():
        if module not in missing:
            shutil.copy(store.path_of(module), cache)
    command = [sys.executable, "-m", "promlab", "warmup"]
    env = {**os.environ, "PROMLAB_CACHE_DIR": str(tmp_path)}
    for said in ("compiling promlab.tsdb.registry_kernels\nkernels ready", "kernels ready"):
        done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        assert done.stderr.startswith(said)
        assert all((cache / store.path_of(module).name).exists() for module in missing)


def test_server_processes_do_not_import_numba() -> None:
    code = (
        "import sys, importlib; from promlab.jit import store\n"
        "for name in store.kernel_modules(): importlib.import_module(name)\n"
        "assert 'numba' not in sys.modules, 'numba was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is only given back on Linux")
def test_kernels_run_after_their_loader_gave_its_memory_back() -> None:
    code = (
        "import numpy as np; from promlab.jit import pages\n"
        "from promlab.model.float_kernels import print_floats\n"
        "def resident(): return int(open('/proc/self/statm').read().split()[1])\n"
        "before = resident(); pages.release(); after = resident()\n"
        "assert after < before - 2000, (before, after)\n"
        "import promlab.promql.label_kernels, promlab.tsdb.codec_kernels\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

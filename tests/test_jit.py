from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from promlab import jit


def test_kernel_is_compiled_for_its_signature() -> None:
    @jit.kernel("f8(f8[::1])")
    def total(values: np.ndarray) -> float:
        result = 0.0
        for value in values:
            result += value
        return result

    assert total(np.array([1.0, 2.5])) == 3.5
    with pytest.raises(TypeError):
        total(np.array([1, 2]))


def test_kernels_live_in_modules_named_for_them() -> None:
    for path in Path(jit.__file__).parent.rglob("*.py"):
        if "jit import kernel" in path.read_text(encoding="utf-8"):
            assert "kernels" in path.name, f"{path} holds kernels: warmup would not find it"


def test_cache_folder_follows_the_environment(tmp_path: Path) -> None:
    code = "import os, sys; os.environ['PROMLAB_CACHE_DIR'] = sys.argv[1]\n"
    code += "from promlab.jit import cache_dir; print(cache_dir())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).parent == tmp_path / "kernels"

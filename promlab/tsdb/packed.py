"""Many arrays as one, for kernels that are called so often that each argument counts.

Nothing is copied: a packed array has addresses and lengths, and whoever keeps it keeps the
arrays too. Kernels unpack it with `packed_kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]


def pack(*arrays: npt.NDArray[Any]) -> Longs:
    """Address and length of each of these contiguous arrays of 64 bits."""
    places = [(each.__array_interface__["data"][0], len(each)) for each in arrays]
    return np.array(places, np.int64).reshape(-1)

"""Requests to one program: when each came, what it asked for, how long it took.

They are drawn a minute at a time, from the seed, the program's name and the minute alone. So
it does not matter how the clock is moved, nor what was done to the other programs.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BLOCK_MS = 60_000
_SWING, _SWING_MS = 0.4, 3_600_000  # traffic goes up and down once an hour

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Requests(NamedTuple):
    """n requests in the order they came."""

    t_ms: Ints
    kind: Ints  # which of the profile's kinds
    own_s: Floats  # seconds that the program itself needs
    behind_s: Floats  # seconds that it waits for what is behind it
    luck: Floats  # 0 to 1: below the share of failures it fails


@dataclass(frozen=True)
class Profile:
    """What requests are like: shares of each kind and median seconds."""

    rate: float  # requests per second, on average
    shares: tuple[float, ...]
    own_s: tuple[float, ...]
    behind_s: tuple[float, ...]
    sigma: float = 0.6  # of the logarithm of a duration


class Traffic:
    """The requests to one program, for ever."""

    def __init__(self, seed: int, name: str, profile: Profile) -> None:
        self._key = (seed, zlib.crc32(name.encode()))
        self._profile = profile
        self._block = lru_cache(maxsize=4)(self._draw)

    def between(self, after_ms: int, until_ms: int) -> Requests:
        """Requests with after_ms < t <= until_ms."""
        first, last = after_ms // BLOCK_MS, until_ms // BLOCK_MS
        pieces = []
        for number in range(first, last + 1):
            block = self._block(number)
            start, end = np.searchsorted(block.t_ms, [after_ms, until_ms], side="right")
            pieces.append([column[start:end] for column in block])
        return Requests(*map(np.concatenate, zip(*pieces, strict=True)))

    def _draw(self, number: int) -> Requests:
        profile = self._profile
        rng = np.random.default_rng([*self._key, number])
        swing = math.sin(2 * math.pi * (number * BLOCK_MS % _SWING_MS) / _SWING_MS)
        n = int(rng.poisson(profile.rate * (1 + _SWING * swing) * BLOCK_MS / 1000))
        t_ms = np.sort(rng.integers(0, BLOCK_MS, n)) + number * BLOCK_MS
        kind = rng.choice(len(profile.shares), n, p=profile.shares)
        own = np.asarray(profile.own_s)[kind] * rng.lognormal(0.0, profile.sigma, n)
        behind = np.asarray(profile.behind_s)[kind] * rng.lognormal(0.0, profile.sigma, n)
        return Requests(t_ms.astype(np.int64), kind.astype(np.int64), own, behind, rng.random(n))

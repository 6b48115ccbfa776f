"""When a group is evaluated: at fixed moments of its interval, spread by a hash of its name."""

from __future__ import annotations

import hashlib


def offset_ms(file: str, name: str, interval_ms: int) -> int:
    """How far into its interval a group is evaluated, the same after every start."""
    digest = hashlib.blake2b(f"{name}\0{file}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % interval_ms


def last_slot(now_ms: float, interval_ms: int, offset: int) -> int:
    """The newest moment at or before `now_ms` that is `offset` into an interval."""
    return int((now_ms - offset) // interval_ms) * interval_ms + offset


def next_slot(slot_ms: int, now_ms: float, interval_ms: int) -> tuple[int, int]:
    """The moment after `slot_ms`, and how many are left out because they have passed.

    A moment that has just passed is made up for at once; of several, only the newest is.
    """
    following = slot_ms + interval_ms
    missed = max(0, int((now_ms - following) // interval_ms))
    return following + missed * interval_ms, missed

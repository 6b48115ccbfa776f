"""When a target is scraped: at fixed moments of its interval, the same after every start."""

from __future__ import annotations

# A scrape that starts this close to its moment carries that moment as its timestamp:
# equal distances between timestamps are what compresses best.
TOLERANCE_MS = 2.0


def next_tick(now_ms: float, interval_ms: int, offset_ms: float) -> float:
    """The first moment at or after `now_ms` that is `offset_ms` into an interval."""
    periods = -((offset_ms - now_ms) // interval_ms)
    tick = offset_ms + periods * interval_ms
    # Rounding may leave it one interval off.
    while tick < now_ms:
        tick += interval_ms
    while tick - interval_ms >= now_ms:
        tick -= interval_ms
    return tick


def following_tick(tick_ms: float, now_ms: float, interval_ms: int) -> tuple[float, int]:
    """The moment after `tick_ms`, and how many had to be left out to keep up.

    A moment that passed while the last scrape ran is made up for at once; of several, only
    the newest is.
    """
    following = tick_ms + interval_ms
    missed = max(0, int((now_ms - following) // interval_ms))
    return following + missed * interval_ms, missed


def timestamp_ms(tick_ms: float, now_ms: float, interval_ms: int) -> int:
    """The timestamp of a scrape that was due at `tick_ms` and starts now."""
    tolerance = min(TOLERANCE_MS, interval_ms / 100)
    return round(tick_ms if abs(now_ms - tick_ms) <= tolerance else now_ms)

"""Gzip bodies: small ones at once, large ones beside other work, lies found out."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from promlab.errors import ScrapeError
from promlab.scrape.aside import Aside
from promlab.scrape.unpacking import SMALL, gunzip
from promlab.transport.direct import TooLarge

LIMIT = 16 * SMALL
LARGE = b"metric 1\n" * (SMALL // 4)


async def turns_during(packed: bytes, unpacked: bytes) -> int:
    """How often the event loop did something else while a body was unpacked."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    assert await gunzip(packed, LIMIT, Aside()) == unpacked
    counting.cancel()
    return turns


async def test_small_bodies_are_unpacked_at_once() -> None:
    assert await turns_during(gzip.compress(b"a 1\n"), b"a 1\n") == 0


@pytest.mark.parametrize(
    ("packed", "unpacked"),
    [
        (gzip.compress(LARGE), LARGE),
        (gzip.compress(LARGE) + gzip.compress(b"a 1\n"), LARGE + b"a 1\n"),
        (gzip.compress(b"a 1\n") + gzip.compress(b"b 2\n"), b"a 1\nb 2\n"),
    ],
    ids=["large", "large, then small", "two"],
)
async def test_other_bodies_leave_the_loop_free(packed: bytes, unpacked: bytes) -> None:
    assert await turns_during(packed, unpacked) > 0


@pytest.mark.parametrize("told", [0, 5, SMALL, 2**32 - 1])
async def test_what_a_body_says_of_its_size_is_not_believed(told: int) -> None:
    packed = gzip.compress(LARGE)[:-4] + told.to_bytes(4, "little")
    with pytest.raises(TooLarge):
        await gunzip(packed, len(LARGE) // 2, Aside())
    with pytest.raises(ScrapeError, match=r"^gzip: .*checksum"):
        await gunzip(packed, LIMIT, Aside())


@pytest.mark.parametrize("body", [b"a 1\n", LARGE], ids=["small", "large"])
async def test_damage_is_an_error(body: bytes) -> None:
    packed = gzip.compress(body)
    for damaged in (packed[:-9], packed[: len(packed) // 2], b"zz" + packed):
        with pytest.raises(ScrapeError, match=r"^gzip: "):
            await gunzip(damaged, LIMIT, Aside())


@pytest.mark.parametrize("body", [LARGE, bytes(4 * SMALL), b"a" * 5000])
async def test_nothing_above_the_limit(body: bytes) -> None:
    packed = gzip.compress(body)
    assert await gunzip(packed, len(body), Aside()) == body
    with pytest.raises(TooLarge):
        await gunzip(packed, len(body) - 1, Aside())

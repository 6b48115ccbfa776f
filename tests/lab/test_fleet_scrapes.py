"""What the simulated server writes of a scrape is what the real scrape loop writes of it.

The world runs through an eventful quarter of an hour; each answer of one program is kept. Then the
real loop, on a clock of its own, is given the same answers over HTTP, and both logs are compared
series by series: values, staleness markers, `up` and its sisters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from promlab.config import load_text
from promlab.lab.fleet import simulate
from promlab.lab.fleet.programs import Program
from promlab.lab.fleet.world import World, _selectors
from promlab.model.samples import is_stale
from promlab.scrape import ScrapeManager
from tests.scrape.bad_targets import Request, answer, serve
from tests.scrape.fake_appender import STALE, FakeAppender
from tests.scrape.virtual_clock import VirtualClock

EVERY_MS = 15_000
Log = dict[tuple[tuple[str, str], ...], list[tuple[int, Any]]]  # at which scrape, and what
# Measured with a real clock there, made up here.
MADE_UP = "scrape_duration_seconds"


def text_of(samples: list[Any]) -> bytes:
    lines = []
    for key, value in samples:
        labels = dict(key)
        name = labels.pop("__name__")
        inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value!r}")
    return "\n".join([*lines, ""]).encode()


def events(world: World, name: str) -> Iterator[None]:
    """Faults of all kinds, with scrapes in between; one step is one scrape."""
    yield from [None] * 3
    world.fleet.restart(name)
    yield from [None] * 2
    world.fleet.drop_scrapes(1, name)
    yield from [None] * 2
    world.fleet.stop(name)
    yield from [None] * 3
    world.fleet.start(name)
    yield from [None] * 2
    world.fleet.deploy(name, "2.0")
    yield from [None] * 2


def eventful(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[World, list[bytes | None]]:
    """A world after those events and the target's end, and what its scrapes of a program got."""
    bodies: list[bytes | None] = []
    ours = Program.answer

    def kept(program: Program) -> Iterator[Any]:
        found = list(ours(program))
        if program.name == name:
            bodies[-1] = text_of(found)
        yield from found

    monkeypatch.setattr(Program, "answer", kept)
    world = simulate(seed=5, interval="15s")
    for _ in events(world, name):
        bodies.append(None)
        world.advance("15s")
    world.fleet.remove(name)
    world.advance("15s")
    return world, bodies


def simulated(world: World, instance: str) -> Log:
    (matchers,) = _selectors(f'{{instance="{instance}"}}')
    batch = world._log.select(matchers, 0, world.now_ms)
    first = int(batch.t_ms.min())
    found: Log = {}
    for row, labels in enumerate(batch.labels.rows()):
        times, values = batch.series(row)
        told = [
            STALE if gone else value
            for gone, value in zip(is_stale(values).tolist(), values.tolist(), strict=True)
        ]
        at = ((times - first) // EVERY_MS).tolist()
        found[tuple(sorted(labels.items()))] = list(zip(at, told, strict=True))
    return found


async def really(program: Program, bodies: list[bytes | None]) -> Log:
    """The same answers, scraped by the real loop; in the end the target is taken away."""
    now: list[bytes | None] = [None]

    async def page(_: Request, writer: asyncio.StreamWriter) -> None:
        if now[0] is None:
            writer.write(answer(b"", "503 Service Unavailable"))
        else:
            writer.write(answer(now[0], "200 OK", Content_Type="text/plain"))

    appender, clock = FakeAppender(), VirtualClock()
    manager = ScrapeManager(appender, version="1", clock=clock, hostname="lab", commit_every_s=0)
    job = (
        "global: {scrape_interval: 15s}\n"
        f"scrape_configs:\n- job_name: {program.job}\n"
        "  static_configs:\n"
        "  - targets: ['127.0.0.1:%d']\n"
        f"    labels: {{zone: {program.zone}, instance: '{program.instance}'}}\n"
    )
    async with serve(page) as target:
        await manager.apply(load_text(job % target.port))
        for body in bodies:
            now[0] = body
            await clock.advance(EVERY_MS)
        await manager.apply(load_text("scrape_configs: []\n"))
        await clock.advance(3 * EVERY_MS)
        await manager.stop()
    first = min(t_ms for samples in appender.series.values() for t_ms, _ in samples)
    return {
        tuple(sorted(key)): [(round((t_ms - first) / EVERY_MS), value) for t_ms, value in samples]
        for key, samples in appender.series.items()
    }


@pytest.mark.parametrize("name", ["api-1", "db", "worker-2"])
async def test_scrapes_are_those_of_the_real_loop(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, bodies = eventful(name, monkeypatch)
    assert [body is None for body in bodies].count(True) == 4
    program = world._programs[name]
    ours, real = simulated(world, program.instance), await really(program, bodies)
    assert ours.keys() == real.keys()
    for key, samples in real.items():
        values = [value for _, value in samples]
        if dict(key)["__name__"] == MADE_UP:
            assert len(ours[key]) == len(samples)
            continue
        assert [value for _, value in ours[key]] == values, key
        # The end of a target is marked when the server is sure of it, which takes it a while.
        assert [at for at, _ in ours[key]][:-1] == [at for at, _ in samples][:-1], key
    world.close()

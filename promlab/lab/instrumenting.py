"""An exercise in which one's own code measures: a till in a shop, and what scrapes make of it.

    def till(registry):
        …                          # metrics of prometheus_client, made in this registry
        def happens(event):
            …                      # called for each event, in its order
        return happens

    practice = till_course(till)
    practice.check(1)

The code is run in three worlds, and scraped every 15 seconds of a virtual clock: what it exposes
is read and queried as a server would. A check holds that against what truly happened. After a
change: `practice.use(till)`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from promlab.client.results import InstantVector
from promlab.errors import ExpositionError
from promlab.exposition.body_parser import BodyParser
from promlab.frames.source import Source
from promlab.lab.course import Course, NotYet, Step
from promlab.lab.exercises import SEEDS
from promlab.lab.fleet.samples import SampleLog

START_MS = 1_767_600_000_000  # 2026-01-05, 08:00 UTC
LENGTH_S, EVERY_S = 600, 15
PAYMENTS, WAITING, SECONDS = "till_payments_total", "till_waiting", "till_seconds"
HOWS = ("card", "cash")
_NEAR = 0.1  # how far off a quantile may be


class Event(NamedTuple):
    """Somebody `comes` and waits, or `pays` after `seconds` at the till."""

    kind: str  # comes, pays
    how: str = ""  # card or cash
    seconds: float = 0.0


Till = Callable[[Any], Callable[[Event], None]]


@dataclass
class _World:
    """One run: what truly happened, and what was scraped of it."""

    seed: int
    source: Source
    types: dict[str, str]
    paid: dict[str, int]
    seconds: list[float] = field(default_factory=list)
    queue: list[int] = field(default_factory=list)  # as of each scrape

    def ask(self, query: str, second: int = LENGTH_S) -> float | None:
        found = self.source.query(query, START_MS / 1000 + second)
        if isinstance(found, InstantVector) and len(found):
            return float(found.values[0])
        return None


class TillCourse(Course):
    """Three steps: count, tell a level, spread durations over buckets."""

    def __init__(self, till: Till) -> None:
        self._till, self._worlds = till, list[_World]()
        steps = [
            Step("Count the payments", self._payments, _PAYMENTS),
            Step("Tell how many wait", self._waiting, _WAITING),
            Step("Measure how long paying takes", self._durations, _SECONDS),
        ]
        super().__init__("The till", steps)

    def use(self, till: Till) -> TillCourse:
        """Take changed code."""
        self._till = till
        self.close()
        self.done.clear()
        return self

    def close(self) -> None:
        """Let the worlds go."""
        for world in self._worlds:
            world.source.close()
        self._worlds.clear()

    def _run(self) -> list[_World]:
        if not self._worlds:
            self._worlds = [_run(self._till, seed) for seed in SEEDS]
        return self._worlds

    def _payments(self) -> str:
        for world in self._run():
            _expect(world, PAYMENTS, "counter", "a gauge can be set back, and nobody would know")
            for how, truth in world.paid.items():
                found = world.ask(f'sum({PAYMENTS}{{how="{how}"}})')
                if found is None:
                    raise NotYet(
                        f'{PAYMENTS} has no series with how="{how}": labels(how=event.how)'
                    )
                if found != truth:
                    raise NotYet(
                        f"in world {world.seed} {truth} paid by {how}, and the scrape says "
                        f"{found:g}: count each payment, once"
                    )
        return f"every payment is counted, in {len(SEEDS)} worlds"

    def _waiting(self) -> str:
        for world in self._run():
            _expect(world, WAITING, "gauge", "a level goes up and down, and a counter may not")
            for i, truth in enumerate(world.queue, 1):
                found = world.ask(WAITING, i * EVERY_S)
                if found != truth:
                    raise NotYet(
                        f"in world {world.seed}, at second {i * EVERY_S}, {truth} wait, and the "
                        f"scrape says {found:g}: inc when one comes, dec when one pays"
                        if found is not None
                        else f"the scrape at second {i * EVERY_S} has no {WAITING}"
                    )
        return (
            f"the queue is right at each of {LENGTH_S // EVERY_S} scrapes, in {len(SEEDS)} worlds"
        )

    def _durations(self) -> str:
        worst = 0.0
        for world in self._run():
            _expect(world, SECONDS, "histogram", "it has to be one that several tills can add up")
            count, total = world.ask(f"{SECONDS}_count"), world.ask(f"{SECONDS}_sum")
            if count != len(world.seconds) or total is None:
                raise NotYet(
                    f"in world {world.seed} {len(world.seconds)} paid, and the histogram has "
                    f"{count or 0:g}: observe(event.seconds) at each payment"
                )
            if not np.isclose(total, sum(world.seconds)):
                raise NotYet(
                    f"in world {world.seed} paying took {sum(world.seconds):.4g} s in all, and the "
                    f"histogram says {total:.4g}: it takes seconds, as they are"
                )
            truth = float(np.quantile(world.seconds, 0.9))
            found = world.ask(f"histogram_quantile(0.9, {SECONDS}_bucket)") or 0.0
            worst = max(worst, abs(found / truth - 1))
            if worst > _NEAR:
                raise NotYet(
                    f"in world {world.seed} the slowest tenth took {truth:.3g} s or more, and the "
                    f"histogram says {found:.3g}: choose buckets that lie close together there"
                )
        return f"the 90th percentile is within {worst:.0%} of the truth, in {len(SEEDS)} worlds"


def till_course(till: Till) -> TillCourse:
    """The exercise, with somebody's code in it."""
    return TillCourse(till)


def _expect(world: _World, name: str, kind: str, why: str) -> None:
    """That the scrape has a metric, and that it is of this type."""
    found = world.types.get(name)
    bare = name.removesuffix("_total")
    if found is None and bare != name:
        found = world.types.get(bare)  # made as something else, it has no suffix
    if found is None:
        there = ", ".join(sorted(n for n in world.types if not n.endswith("_created"))) or "nothing"
        made = f'{kind.title()}("{bare}", "…", registry=registry)'
        raise NotYet(f"the scrape has no {name}: make {made}; it has {there}")
    if found != kind:
        raise NotYet(f"{bare} is a {found}: make it a {kind}; {why}")


def _run(till: Till, seed: int) -> _World:
    """Ten minutes of events, scraped; raises NotYet where the code fails."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry, log = CollectorRegistry(), SampleLog()
    parser, types = BodyParser(log.symbols), dict[str, str]()
    world = _World(seed, Source(log), types, dict.fromkeys(HOWS, 0))
    happens, chance, waiting = _called(till, registry), random.Random(seed), 0  # noqa: S311
    if not callable(happens):
        raise NotYet("the function has to give back what is called at each event: return happens")
    for second in range(1, LENGTH_S + 1):
        for event in _events(chance, waiting):
            waiting += 1 if event.kind == "comes" else -1
            if event.kind == "pays":
                world.paid[event.how] += 1
                world.seconds.append(event.seconds)
            _called(happens, event)
        if second % EVERY_S == 0:
            world.queue.append(waiting)
            _scrape(generate_latest(registry), parser, log, types, START_MS + second * 1000)
    log.oldest_ms, log.newest_ms = START_MS, START_MS + LENGTH_S * 1000
    return world


def _events(chance: random.Random, waiting: int) -> list[Event]:
    """What happens in one second."""
    found = [Event("comes")] if chance.random() < 0.6 else []
    if waiting and chance.random() < 0.65:
        how = "card" if chance.random() < 0.7 else "cash"
        median = 2.0 if how == "card" else 6.0
        found.append(Event("pays", how, median * chance.lognormvariate(0, 0.4)))
    return found


def _scrape(
    body: bytes, parser: BodyParser, log: SampleLog, types: dict[str, str], t_ms: int
) -> None:
    try:
        parsed = parser.parse(body)
    except ExpositionError as error:
        raise NotYet(f"what the registry exposes can't be read: {error}") from None
    rows = [log.row(tuple(sorted(labels.items()))) for labels in parsed.layout.labels.rows()]
    log.append(t_ms, rows, parsed.values.tolist())
    types |= {name: each.type.value for name, each in parsed.layout.metadata.items()}


def _called(code: Callable[..., Any], *arguments: object) -> Any:
    """What somebody's code gives; its mistakes become words."""
    try:
        return code(*arguments)
    except Exception as error:
        raise NotYet(f"your code stopped with {type(error).__name__}: {error}") from error


_PAYMENTS = (
    "payments are events, and events only become more",
    "a Counter with the label how: labels(how=event.how).inc() when somebody pays",
    'Counter("till_payments", "Payments.", ["how"], registry=registry)',
)
_WAITING = (
    "how many wait goes up and down",
    "inc() when somebody comes, dec() when somebody pays",
    'Gauge("till_waiting", "Customers who wait.", registry=registry)',
)
_SECONDS = (
    "durations of which one wants a percentile, over all tills: buckets",
    "observe(event.seconds) when somebody pays; the bounds have to lie where durations do",
    'Histogram("till_seconds", "How long paying took.", registry=registry, '
    "buckets=[1, 1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15])",
)

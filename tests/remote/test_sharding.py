"""How many shards: as many as the time that requests take, whatever else happens."""

from __future__ import annotations

from promlab.config import load_text
from promlab.remote.queue_stats import QueueStats
from promlab.remote.sharding import EVERY_S, Sharding


class World:
    """An endpoint that gets samples and takes them, ten seconds at a time."""

    def __init__(self, options: str = "") -> None:
        text = f"remote_write: [{{url: 'http://h/', queue_config: {{max_shards: 20, {options}}}}}]"
        self.stats, self.came, self.now_s = QueueStats(), 0, 1e9
        self._sharding = Sharding(load_text(text).remote_write[0].queue_config, self.stats)
        self.pass_by()

    def pass_by(self, came: int = 0, sent: int = 0, seconds: float = 0.0, **more: float) -> int:
        self.came += came
        self.stats.sent.samples += sent
        self.stats.requests.add(seconds)
        self.now_s += EVERY_S
        behind_s, kept = more.get("behind_s", 0.0), more.get("kept", 1.0)
        self._sharding.decide(self.came, kept, behind_s, self.now_s)
        return self.stats.shards


def test_a_quick_receiver_needs_one() -> None:
    assert World().pass_by(came=10_000, sent=10_000, seconds=0.5) == 1


def test_a_slow_one_gets_as_many_as_the_time_that_it_takes() -> None:
    world = World()
    # 1,000 samples/s come; a shard sends 200 of them in a second.
    assert world.pass_by(came=10_000, sent=2000, seconds=10.0) == 5
    assert abs(world.stats.shards_desired - 5) < 1e-9
    # What is behind by 20 s is to be caught up with, too.
    assert world.pass_by(came=10_000, sent=10_000, seconds=50.0, behind_s=20.0) == 10
    for _ in range(30):
        world.pass_by(came=10_000, sent=10_000, seconds=1.0)
    assert world.stats.shards == 1


def test_small_differences_change_nothing() -> None:
    world = World()
    assert world.pass_by(came=100, sent=100, seconds=50.0) == 5
    assert world.pass_by(came=100, sent=100, seconds=55.0) == 5


def test_limits() -> None:
    assert World().pass_by(came=1000, sent=10, seconds=10.0) == 20
    assert World("min_shards: 3").pass_by(came=10, sent=10, seconds=0.1) == 3


def test_what_rules_drop_takes_no_time() -> None:
    assert World().pass_by(came=1000, sent=100, seconds=10.0, kept=0.1) == 1


def test_a_receiver_that_takes_nothing_gets_no_more_of_it() -> None:
    world = World()
    world.stats.retried.samples = 500
    assert world.pass_by(came=1000, sent=500, seconds=10.0) == 1


def test_only_every_ten_seconds() -> None:
    world = World()
    world.now_s -= EVERY_S / 2
    assert world.pass_by(came=1000, sent=100, seconds=10.0) == 1

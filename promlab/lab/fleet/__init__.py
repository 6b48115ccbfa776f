"""A made-up fleet on a clock of its own: an hour of scraping in a moment, the same for everybody.

    lab = promlab.lab.simulate(seed=1)
    lab.advance("1h")
    lab.query("sum by (job) (up)")
    lab.fleet.restart("api-2")

No process, no port, no waiting: requests are drawn from the seed, scrapes happen when the clock
passes them, and queries are answered by the engine that a server has.
"""

from __future__ import annotations

from promlab.lab.fleet.faults import Fleet
from promlab.lab.fleet.world import World, simulate

__all__ = ["Fleet", "World", "simulate"]

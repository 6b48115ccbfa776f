"""Names that mean another place for this process: a hosts file of one's own.

`PROMLAB_HOSTS=localhost=127.9.3.10+0` lets `localhost:9090` be asked for at 127.9.3.10:9090; the
number behind the plus is added to the port. Several entries are separated by commas. A server that
stands for a whole machine, beside others on the same one, has its own `localhost` so.
"""

from __future__ import annotations

import os
from functools import lru_cache

ENV = "PROMLAB_HOSTS"


def meant(host: str, port: int) -> tuple[str, int]:
    """Where to connect to for a host and port."""
    known = _known(os.environ.get(ENV, ""))
    if host not in known:
        return host, port
    place, offset = known[host]
    return place, port + offset


@lru_cache(maxsize=4)
def _known(text: str) -> dict[str, tuple[str, int]]:
    found = {}
    for entry in filter(None, text.split(",")):
        name, _, place = entry.partition("=")
        host, _, offset = place.partition("+")
        found[name.strip()] = (host.strip(), int(offset or 0))
    return found

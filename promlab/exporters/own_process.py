"""What an exporter says of its own process, as families."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family
from promlab.web import own_process


class OwnProcess:
    """CPU, memory, files and network of this process."""

    def __init__(self) -> None:
        self._process = own_process.OwnProcess()

    def families(self) -> Iterator[Family]:
        """The families as they are now; fewer where there is no /proc."""
        for fact in self._process.facts():
            family = Family(fact.name, fact.type, fact.help)
            family.add(fact.value)
            yield family

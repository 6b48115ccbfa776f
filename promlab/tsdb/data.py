"""`DataReader`: head and blocks of a data directory as one `Querier`.

Few series come by a short way (`data_few.py`), all others by that of any number
(`head_and_blocks.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.model.tiles import BatchTiles, TiledSeries
from promlab.tsdb.data_few import FewOfData
from promlab.tsdb.data_labels import DataLabels


class DataReader(FewOfData, DataLabels):
    """Reads the data directory at `path`, in any process. Raises StorageError if it is none."""

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        """See `Reader.select`; few series come by a shorter way."""
        few = self._small(matchers, start_ms, end_ms, hints)
        return self.gathered(matchers, start_ms, end_ms, hints).whole() if few is None else few

    def tiles(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> TiledSeries:
        """What `select` gives, to be read later, a few series at a time; see `TiledQuerier`."""
        few = self._small(matchers, start_ms, end_ms, hints)
        return self.gathered(matchers, start_ms, end_ms, hints) if few is None else BatchTiles(few)

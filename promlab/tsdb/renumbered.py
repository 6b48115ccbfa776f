"""After damage to the series log: the numbers that it lost will be given again, to other series.

Nothing may be left then that names a lost one, or it would be taken for what is new. Chunks and the
log of samples see to that themselves; this module does for what stands beside them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from promlab.tsdb.blocks import tombstones
from promlab.tsdb.blocks.tombstones import Tombstones
from promlab.tsdb.newest import path_of


def forget_unknown(directory: Path, series: int) -> None:
    """Drop deletions, exemplars and newest samples of series from number `series` on.

    Exemplars and newest samples go as a whole: no sample is lost with them.
    """
    with contextlib.suppress(OSError):
        path_of(directory).unlink()
    for path in (directory / "exemplars").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            path.unlink()
    known = tombstones.read(directory / "head")
    mine = known.series < series
    if not mine.all():
        kept = Tombstones(*(column[mine] for column in known))
        tombstones.write(directory / "head", kept)

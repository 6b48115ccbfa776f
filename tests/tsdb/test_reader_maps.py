"""Maps that a query reads from stay there, whatever other queries do meanwhile."""

from __future__ import annotations

import gc
import sys
from contextlib import closing
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from promlab.errors import StorageError
from promlab.model.labels import LabelTable
from promlab.model.matchers import Matcher, MatchType
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.tsdb import locating, newest_kernels
from promlab.tsdb import reader as reader_module
from promlab.tsdb.head import Head
from promlab.tsdb.reader import Reader
from promlab.tsdb.tail_kernels import REMAP

UP = [Matcher("__name__", MatchType.EQUAL, "up")]


def is_mapped(address: int) -> bool:
    """Whether this process has memory there."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, _, last = line.split()[0].partition("-")
        if int(first, 16) <= address < int(last, 16):
            return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is mapped")
@pytest.mark.parametrize(
    ("home", "name"),
    [(locating, "copy_tails"), (newest_kernels, "newest_held"), (reader_module, "alive")],
)
def test_files_that_are_mapped_anew_stay_for_who_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: ModuleType, name: str
) -> None:
    with closing(Head.open(tmp_path)) as head:
        table = LabelTable.from_dicts([{"__name__": "up", "job": "j"}], head.symbols)
        head.append_loose(head.refs(table), np.array([1_000]), np.array([1.0]))
        head.commit()
        reader = Reader(tmp_path)
        seen: list[int] = []
        kernel = getattr(home, name)

        def amid_another_query(*arguments: Any) -> Any:
            mapped = reader._mapped
            assert mapped is not None
            mapped.map_head()
            gc.collect()
            addresses = [each for each in arguments[:6:2] if each]
            assert all(map(is_mapped, addresses))
            seen.extend(addresses)
            return kernel(*arguments)

        monkeypatch.setattr(home, name, amid_another_query)
        for hints in (NO_HINTS, SelectHints(newest=True)):
            assert reader.select(UP, 0, 2_000, hints).values.tolist() == [1.0]
        assert reader.label_values("job", UP, 0, 2_000) == ["j"]
        assert seen
        reader.close()


def test_who_comes_late_goes_on_with_what_another_query_has_mapped(tmp_path: Path) -> None:
    with closing(Head.open(tmp_path)) as head:
        reader = Reader(tmp_path)
        mapped, lock = reader._mapped, Lock()
        assert mapped is not None
        used = locating.head_files(mapped)
        rows = [{"__name__": "up", "n": str(i)} for i in range(20_000)]
        table = LabelTable.from_dicts(rows, head.symbols)
        head.append_loose(head.refs(table), np.full(len(rows), 1_000), np.zeros(len(rows)))
        head.commit()
        mapped.map_head()  # another query did
        grown = locating.head_files(mapped)
        assert grown.sizes() > used.sizes()
        locating.remap(mapped, lock, REMAP, used)
        assert locating.head_files(mapped).rows is grown.rows
        with pytest.raises(StorageError, match="are damaged"):
            locating.remap(mapped, lock, REMAP, grown)
        reader.close()

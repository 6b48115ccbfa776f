"""The textfile collector: files count as a whole, and bad ones don't hurt the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_up_machine import machine, samples

from promlab.exporters.families import Family, render
from promlab.exporters.node.collectors.textfile import Collector

GOOD = """# HELP backup_bytes Size of the last backup.
# TYPE backup_bytes gauge
backup_bytes{disk="a \\"quoted\\" one"} 12.5
# TYPE runs_total counter
runs_total 3
# TYPE odd counter
odd 4
# TYPE took_seconds histogram
took_seconds_bucket{le="1"} 1
took_seconds_bucket{le="+Inf"} 2
took_seconds_sum 3.5
took_seconds_count 2
plain 7
"""


def collected(folder: Path) -> list[Family]:
    return list(Collector(machine(textfile__directory=[str(folder)])).collect())


def test_families_come_out_as_they_went_in(tmp_path: Path) -> None:
    (tmp_path / "good.prom").write_text(GOOD)
    (tmp_path / "not.txt").write_text("ignored 1\n")
    os.utime(tmp_path / "good.prom", (1_700_000_000, 1_700_000_000))
    families = collected(tmp_path)
    found = samples(families)
    assert found["node_textfile_scrape_error"] == 0
    assert found[f'node_textfile_mtime_seconds{{file="{tmp_path}/good.prom"}}'] == 1.7e9
    assert not any("ignored" in name for name in found)
    text = render(families).decode()
    for line in GOOD.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert any(
                shown.startswith(name + " ") and float(shown.rsplit(" ", 1)[1]) == float(value)
                for shown in text.splitlines()
            ), line
    assert "# TYPE odd counter" in text
    assert "# TYPE runs_total counter" in text
    assert "# TYPE took_seconds histogram" in text
    assert "# TYPE plain untyped" in text


@pytest.mark.parametrize(
    "text",
    ["half 1", "broken{ 1\n", "stamped 1 1700000000000\n", "word x\n", 'open{a="b} 1\n'],
    ids=["no last newline", "open brace", "timestamp", "no number", "open quote"],
)
def test_a_bad_file_is_left_out_as_a_whole(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.prom").write_text("fine 1\n" + text)
    (tmp_path / "good.prom").write_text("good 2\n")
    found = samples(collected(tmp_path))
    assert found["node_textfile_scrape_error"] == 1
    assert found["good"] == 2
    assert "fine" not in found
    assert [name for name in found if "mtime" in name] == [
        f'node_textfile_mtime_seconds{{file="{tmp_path}/good.prom"}}'
    ]


def test_one_family_in_two_files(tmp_path: Path) -> None:
    (tmp_path / "a.prom").write_text('# HELP x first\n# TYPE x gauge\nx{f="a"} 1\nx{f="c"} 1\n')
    (tmp_path / "b.prom").write_text('# HELP x second\n# TYPE x gauge\nx{f="b"} 2\nx{f="c"} 2\n')
    (tmp_path / "c.prom").write_text('# TYPE x counter\nx{f="d"} 3\n')
    families = collected(tmp_path)
    assert [family.name for family in families].count("x") == 1
    found = samples(families)
    assert (found['x{f="a"}'], found['x{f="b"}'], found['x{f="c"}']) == (1, 2, 1)
    assert 'x{f="d"}' not in found
    assert found["node_textfile_scrape_error"] == 1
    assert families[0].help == "first"


def test_a_changed_file_is_read_again_and_folders_may_be_globs(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    path = tmp_path / "one" / "a.prom"
    path.write_text("a 1\n")
    collector = Collector(machine(textfile__directory=[f"{tmp_path}/*"]))
    assert samples(list(collector.collect()))["a"] == 1
    path.write_text("a 22\n")
    assert samples(list(collector.collect()))["a"] == 22


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "huge.prom", "wb") as file:
        file.truncate(9 << 20)
    assert samples(collected(tmp_path))["node_textfile_scrape_error"] == 1

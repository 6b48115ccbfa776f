"""The conformance scripts against a real server, over HTTP: every case passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promqltest.over_http import CONFIG, FLAGS, Remote, sections, together
from tests.server.running import running

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def test_every_case_passes(shared: Path, tmp_path: Path) -> None:
    every = sections(sorted((shared / "promqltest").glob("*.test")))
    groups = together(every)
    assert sum(map(len, groups)) == len(every)
    problems: dict[str, str] = {}
    for number, group in enumerate(groups):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "p.yml").write_text(CONFIG)
        with running(folder, *FLAGS) as server:
            for section, shift_ms in group:
                problems |= dict(Remote(server.client, shift_ms).problems(section))
    assert problems == {}

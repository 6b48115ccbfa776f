"""Storage policies: what they may say, and what is refused, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from promlab.config.policies import load_policies
from promlab.errors import ConfigError
from promlab.stored.selectors import matchers_of

GOOD = """
retention:
  - match: '{__name__=~"debug_.*"}'
    time: 3d
downsampling:
  - {resolution: 5m, after: 2d, retention: 1y}
  - {resolution: 1h, after: 10d}
"""


def test_good(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text(GOOD)
    found = load_policies(tmp_path / "p.yml", matchers_of)
    assert [policy.time_ms for policy in found.retention] == [3 * 86_400_000]
    assert [(p.resolution_ms, p.retention_ms) for p in found.downsampling] == [
        (300_000, 365 * 86_400_000),
        (3_600_000, 0),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("retention: [{match: up}]", "time"),
        ("retention: [{time: 1d}]", "match"),
        ("retention: [{match: 'up{', time: 1d}]", "match"),
        ("downsampling: [{resolution: 1ms}]", "resolution"),
        ("downsampling: [{resolutoin: 5m}]", "resolutoin"),
        ("other: 1", "other"),
    ],
)
def test_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "p.yml").write_text(text + "\n")
    with pytest.raises(ConfigError, match=says) as caught:
        load_policies(tmp_path / "p.yml", matchers_of)
    assert "p.yml:1" in str(caught.value)

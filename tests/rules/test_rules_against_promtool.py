"""Alert states over made-up series: what our rules say is what promtool's unit tests expect."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rule_world import World

from promlab.config import load
from promlab.rules.alert import AlertState
from promlab.rules.manager import RuleManager

pytestmark = pytest.mark.peers

M = 60_000
RULES = """
groups:
- name: g
  rules:
  - {record: "doubled", expr: "m * 2"}
  - {alert: Plain, expr: "doubled > 2", labels: {l: "{{ $value }}"}}
  - {alert: For, expr: "doubled > 2", for: 2m, annotations: {a: "{{ $labels.i }}={{ $value }}"}}
  - {alert: Keep, expr: "doubled > 2", keep_firing_for: 2m}
  - {alert: Both, expr: "m > 1", for: 1m, keep_firing_for: 3m}
  - {alert: Absent, expr: "absent(m{i='1'})", for: 1m}
"""
ALERTS = ("Plain", "For", "Keep", "Both", "Absent")


def histories(seed: int, minutes: int) -> dict[str, list[float | None]]:
    chance = random.Random(seed)
    return {
        str(i): [chance.choice([0.0, 2.0, 2.0, None]) for _ in range(minutes)] for i in range(3)
    }


async def ours(folder: Path, series: dict[str, list[float | None]]) -> list[dict[str, Any]]:
    """What a unit test has to expect at each minute for each alert."""
    (folder / "p.yml").write_text("global: {evaluation_interval: 1m}\nrule_files: [rules.yml]\n")
    world = World()
    for i, values in series.items():
        samples = [(t * M, value) for t, value in enumerate(values) if value is not None]
        world.store.add({"__name__": "m", "i": i}, *samples)
    manager = RuleManager(world.options)
    await manager.apply(load(folder / "p.yml", supported_only=False))
    (group,) = manager.groups()
    await manager.stop()
    expected = []
    for t in range(len(series["0"])):
        await group.evaluate(t * M)
        for name in ALERTS:
            rule = next(rule for rule in manager.alerting_rules() if rule.name == name)
            firing = [a for a in rule.active_alerts() if a.state is AlertState.FIRING]
            alerts = [
                {
                    "exp_labels": {k: v for k, v in a.labels.items() if k != "alertname"},
                    "exp_annotations": dict(a.annotations),
                }
                for a in firing
            ]
            expected.append({"eval_time": f"{t}m", "alertname": name, "exp_alerts": alerts})
    return expected


@pytest.mark.parametrize("seed", range(4))
async def test_promtool_expects_what_we_say(peers: Path, tmp_path: Path, seed: int) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    series = histories(seed, 12)
    inputs = [
        {
            "series": f'm{{i="{i}"}}',
            "values": " ".join("_" if v is None else f"{v:g}" for v in values),
        }
        for i, values in series.items()
    ]
    expected = await ours(tmp_path, series)
    assert any(each["exp_alerts"] for each in expected)
    test = {"interval": "1m", "input_series": inputs, "alert_rule_test": expected}
    file = tmp_path / "test.yml"
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    file.write_text(json.dumps(content))
    done = subprocess.run(  # noqa: ASYNC221  (nothing else runs)
        [peers / "promtool", "test", "rules", file], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

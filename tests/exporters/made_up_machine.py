"""The made-up machine of tests/fixtures/proc, and what collectors say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from promlab.exporters.families import Family
from promlab.exporters.node.collectors import collector_class
from promlab.exporters.node.host import Host

MACHINE = Path(__file__).parent.parent / "fixtures" / "proc"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def machine(**flags: Any) -> Host:
    """The made-up machine, with flags like cpu__guest for --collector.cpu.guest."""
    return Host(
        procfs=str(MACHINE / "proc"),
        sysfs=str(MACHINE / "sys"),
        rootfs=str(MACHINE),
        udev=str(MACHINE / "udev"),
        flags={
            "collector." + name.replace("__", ".").replace("_", "-"): value
            for name, value in flags.items()
        },
        linux=True,
    )


def collect(name: str, host: Host | None = None) -> list[Family]:
    return [f for f in collector_class(name)(host or machine()).collect() if f.samples]


def samples(families: list[Family]) -> dict[str, float]:
    """Values by series, as `name{label="value"}`."""
    found: dict[str, float] = {}
    for family in families:
        for name, labels, value in family.samples:
            inner = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
            found[f"{name}{{{inner}}}" if inner else name] = value
    return found


def parsed(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in text_string_to_metric_families(text)
        for sample in metric.samples
    }

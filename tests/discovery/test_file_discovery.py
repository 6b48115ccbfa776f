"""Target files: what is read, what is refused, what changes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from promlab.config import load_text
from promlab.config.discovery_sections import FileSDConfig
from promlab.discovery import Discovery, DiscoveryStats, Providers, TargetGroup
from promlab.discovery.base import Surroundings
from promlab.discovery.file import FileDiscovery, read_groups
from promlab.discovery.providers import Provider
from promlab.errors import ConfigError

GOOD_JSON = '[{"targets": ["a:1", "b:2"], "labels": {"x": "1"}}, {"targets": ["c:3"]}]'
GOOD_YAML = "- targets: [a:1, 'b:2']\n  labels: {x: 1}\n- targets: [c:3]\n"


def label_sets(groups: Sequence[TargetGroup]) -> list[dict[str, str]]:
    return [labels for group in groups for labels in group.label_sets()]


@pytest.mark.parametrize(("name", "text"), [("t.json", GOOD_JSON), ("t.yml", GOOD_YAML)])
def test_groups_of_a_file(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    meta = {"__meta_filepath": str(path)}
    assert label_sets(read_groups(str(path))) == [
        {"__address__": "a:1", "x": "1", **meta},
        {"__address__": "b:2", "x": "1", **meta},
        {"__address__": "c:3", **meta},
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.json", "[null]", "nil target group item"),
        ("t.json", "{}", "not a list of target groups"),
        ("t.json", "[", "not a list of target groups"),
        ("t.json", '[{"targets": [1]}]', "not a list of target groups"),
        ("t.json", '[{"target": []}]', "unknown field"),
        ("t.json", '[{"labels": {"": "x"}}]', "not a valid label name"),
        ("t.json", "[" * 100_000, "not a list of target groups"),
        ("t.yml", "- null", r"t\.yml:1:3: .*nil target group item"),
        ("t.yml", "a: 1", "expected a list"),
        ("t.yml", "- target: []", "unknown field"),
        ("t.yml", "- [", "not valid YAML"),
    ],
)
def test_bad_files_are_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_groups(str(tmp_path / name))


def test_conformance_files(shared: Path) -> None:
    folder = shared / "contract" / "discovery" / "file"
    for path in sorted(folder.iterdir()):
        if path.name.startswith("invalid"):
            with pytest.raises(ConfigError):
                read_groups(str(path))
        else:
            assert label_sets(read_groups(str(path))), path


def watch(tmp_path: Path) -> FileDiscovery:
    return FileDiscovery(
        FileSDConfig(files=(f"{tmp_path}/*.json",)), Surroundings(DiscoveryStats())
    )


def write(path: Path, groups: list[list[str]]) -> None:
    path.write_text(json.dumps([{"targets": targets} for targets in groups]))


def test_only_what_changed_is_told(tmp_path: Path) -> None:
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    write(one, [["a:1"], ["b:1"]])
    write(two, [["c:1"]])
    files = watch(tmp_path)
    assert [g.source for g in files.refresh()] == [f"{one}:0", f"{one}:1", f"{two}:0"]
    assert files.refresh() == []
    write(one, [["a:1"], ["b:1", "b:2"]])
    assert [g.source for g in files.refresh()] == [f"{one}:1"]
    write(one, [["a:1"]])
    (gone,) = files.refresh()
    assert (gone.source, gone.targets) == (f"{one}:1", ())
    two.unlink()
    (gone,) = files.refresh()
    assert (gone.source, gone.targets) == (f"{two}:0", ())


def test_a_broken_file_keeps_its_targets(tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    write(path, [["a:1"]])
    files = watch(tmp_path)
    files.refresh()
    path.write_text("[broken")
    assert files.refresh() == []
    assert "not a list of target groups" in files.errors[str(path)]
    stats = files.around.stats
    assert (stats.file_read_errors, stats.refresh_failures["file", ""]) == (1, 1)
    write(path, [["b:1"]])
    assert label_sets(files.refresh())[0]["__address__"] == "b:1"
    assert files.errors == {}


def test_everything_is_read_again_at_the_interval(tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    write(path, [["a:1"]])
    files = watch(tmp_path)
    files.refresh()
    seen = path.stat()
    write(path, [["b:1"]])
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert files.refresh() == []  # size, time and inode are the same
    assert label_sets(files.refresh(everything=True))[0]["__address__"] == "b:1"


async def test_watching(tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    write(path, [["a:1"]])
    stats = DiscoveryStats()
    config = FileSDConfig(files=(str(path),))
    updates: asyncio.Queue[list[str]] = asyncio.Queue()

    def update(groups: Sequence[TargetGroup]) -> None:
        updates.put_nowait([labels["__address__"] for labels in label_sets(groups)])

    files = FileDiscovery(config, Surroundings(stats), poll_s=0.01)
    discovery = Discovery([Provider(files, "file", "", stats)], update, stats, throttle_s=0.0)
    discovery.start()
    assert await updates.get() == ["a:1"]
    write(path, [["a:1"], ["b:1"]])
    assert await updates.get() == ["a:1", "b:1"]
    path.unlink()
    assert await updates.get() == []
    await discovery.stop()


async def test_first_results_come_together() -> None:
    job = load_text(
        "scrape_configs: [{job_name: a, static_configs: [{targets: [a:1]}, {targets: [b:1]}],"
        "file_sd_configs: [{files: [/nowhere/*.json]}, {files: [/nowhere/x.yml]}]}]"
    ).jobs[0]
    stats = DiscoveryStats()
    first: asyncio.Future[list[TargetGroup]] = asyncio.get_running_loop().create_future()
    providers = Providers(stats)
    discovery = Discovery(
        providers.of(job.discovery), lambda groups: first.set_result(list(groups)), stats
    )
    discovery.start()
    assert [labels["__address__"] for labels in label_sets(await first)] == ["a:1", "b:1"]
    assert stats.updates == 1
    await discovery.stop()
    await providers.sweep()


async def test_a_mechanism_that_breaks_does_not_hold_up_others() -> None:
    class Broken:
        async def run(self, publish: object) -> None:
            raise RuntimeError("broken")

    job = load_text("scrape_configs: [{job_name: a, static_configs: [{targets: [a:1]}]}]").jobs[0]
    stats = DiscoveryStats()
    first: asyncio.Future[list[TargetGroup]] = asyncio.get_running_loop().create_future()
    broken = Provider(Broken(), "broken", "", stats)
    providers = [broken, *Providers(stats).of(job.discovery)]
    discovery = Discovery(providers, lambda groups: first.set_result(list(groups)), stats)
    discovery.start()
    assert len(await first) == 1
    assert stats.refresh_failures["broken", ""] == 1
    await discovery.stop()

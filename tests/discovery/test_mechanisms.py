"""What holds for every mechanism: its labels, its manners, what garbage does to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from case import Case
from discovering import discovered, discovering
from discovery_cases import CASES, EC2

from promlab.config import load_text
from promlab.config.discovery_sections import MECHANISMS
from promlab.config.mechanisms import AVAILABLE, SECTIONS, section_of
from promlab.discovery import registry
from promlab.errors import ConfigError

WATCHED = ("kubernetes", "nerve", "serverset")
REFRESHED = [case for case in CASES if not case.name.startswith(WATCHED)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_it_finds(case: Case, tmp_path: Path) -> None:
    mechanism = case.section.partition("_sd_configs")[0]
    with case.served(tmp_path / case.name) as (section, api):
        found = await discovered(section)
        assert len(found) == case.targets
        for labels in found:
            wanted = "__meta_url" if mechanism == "http" else f"__meta_{mechanism}_"
            assert any(name.startswith(wanted) for name in labels)
        assert all("promlab/" in request.headers["User-Agent"] for request in api.seen)


def answer(text: str, kind: str = "application/json", status: int = 200) -> Any:
    return lambda _: web.Response(text=text, content_type=kind, status=status)


WRONG = ("id", "name", "networks", "ipv4", "server", "entities", "privateIpAddress")
GARBAGE = {
    "html": answer("<html>sorry", "text/html"),
    "refused": answer("s3cret? no", status=401),
    "no json": answer('{"a": '),
    "text": answer('"text"'),
    "number": answer("17"),
    "list of numbers": answer("[1, 2]"),
    "deep": answer("[" * 50_000),
    "wrong inside": answer(json.dumps({
        key: [dict.fromkeys(WRONG, 5)]
        for key in ("apps", "servers", "droplets", "instances", "items", "data", "networks")
    })),
    "nothing": answer('{"error": "later"}'),
}  # fmt: skip


@pytest.mark.parametrize("case", REFRESHED, ids=lambda case: case.name)
async def test_garbage_is_survived(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mechanism = case.section.partition("_sd_configs")[0]
    with case.served(tmp_path / case.name) as (section, api):
        often = section.replace("_sd_configs: [{", "_sd_configs: [{refresh_interval: 20ms, ", 1)
        async with discovering(often) as watched:
            assert len(await watched.next()) == case.targets
            for reason, garbage in GARBAGE.items():
                before = watched.stats.refresh_failures[mechanism, "a"]
                api.routes = {"GET *": garbage, "POST *": garbage}
                await watched.failed(mechanism, more_than=before)
                assert watched.updates.empty(), f"{reason} changed targets"
    assert "s3cret" not in caplog.text.replace("s3cret? no", "")
    ours = [record for record in caplog.records if record.name.startswith("promlab")]
    assert not any(record.exc_info for record in ours), "a traceback was logged"


def test_every_mechanism_is_run() -> None:
    assert registry.MECHANISMS.keys() == AVAILABLE == set(MECHANISMS) == SECTIONS.keys()


@pytest.mark.parametrize("name", sorted(AVAILABLE))
def test_unknown_fields_are_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f"scrape_configs: [{{job_name: a, {name}_sd_configs: [{{nonsense: 1}}]}}]")
    assert "nonsense" in str(caught.value)


def test_every_mechanism_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/discovery.md").read_text()
    rows = [line for line in page.splitlines() if "_configs`" in line.partition("|")[2]]
    shown = {line.split("`")[1]: line for line in rows}
    wanted = {f"{name}_sd_configs" for name in MECHANISMS} | {"file_sd_configs", "static_configs"}
    assert shown.keys() == wanted
    oracles: dict[str, set[str]] = {"dns": {"Prometheus"}}
    for case in (*CASES, EC2):
        oracles.setdefault(case.section.partition("_sd_configs")[0], set()).add(case.oracle)
    for name in MECHANISMS:
        told = shown[f"{name}_sd_configs"].split("|")[2].strip()
        assert {told, ""} == {*oracles.get(name, ()), ""}, name


def test_sections_name_their_mechanism() -> None:
    for name in SECTIONS:
        assert section_of(name).mechanism == name

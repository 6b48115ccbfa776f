"""The page in a real browser: groups, filters, a silence from preview to end; labels as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alertmanager.alertmanager_process import Running, alertmanager

pytestmark = pytest.mark.browser

CONFIG = """
route: {receiver: team, group_by: [alertname]}
receivers: [{name: team}, {name: other}]
"""
EVIL = "<img src=x onerror=document.title='hacked'>"


@pytest.fixture(scope="module")
def am(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    prefix = "--web.external-url=http://x/am"
    with alertmanager(tmp_path_factory.mktemp("am"), CONFIG, prefix, wait=False) as running:
        from tests.alertmanager.alertmanager_process import eventually

        running.url += "/am"
        eventually(running.ready)
        running.post_alerts(
            {"labels": {"alertname": EVIL, "host": "a"}, "annotations": {"s": "<b>bold</b>"},
             "generatorURL": "http://prometheus/graph"},
            {"labels": {"alertname": EVIL, "host": "b"}},
            {"labels": {"alertname": "Slow", "host": "a"}},
        )  # fmt: skip
        yield running


@pytest.fixture
def page(am: Running, chromium: str) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        found = browser.new_page()
        found.set_default_timeout(120_000)
        problems: list[str] = []
        found.on("pageerror", lambda error: problems.append(str(error)))
        found.goto(f"{am.url}/")
        yield found
        assert problems == []
        browser.close()


def test_groups_filters_and_labels_as_text(page: Any) -> None:
    page.wait_for_selector(".alert")
    assert page.locator(".group").count() == 2
    assert page.locator(".alert").count() == 3
    assert page.locator("main img").count() == 0
    assert page.locator("main b").count() == 0
    assert EVIL in page.locator(".group").first.inner_text()
    page.locator("button.tag", has_text='host="b"').click()
    page.wait_for_function("document.querySelectorAll('.alert').length === 1")
    assert "filter=host" in page.url
    page.reload()
    page.wait_for_selector(".alert")
    assert page.locator(".alert").count() == 1
    assert page.title() == "Alertmanager"


def test_a_silence_from_preview_to_its_end(am: Running, page: Any) -> None:
    page.goto(f"{am.url}/#/silences/new")
    page.get_by_label("Matchers", exact=False).first.fill('alertname="Slow", host=~"a|b"')
    page.get_by_text("Preview alerts").click()
    page.wait_for_selector("text=1 affected alert")
    page.get_by_label("Creator").fill("me")
    page.get_by_label("Duration").fill("3h")
    page.get_by_label("Comment").fill("<i>why</i>")
    page.get_by_role("button", name="Create").click()
    page.wait_for_selector(".silence")
    (made,) = [s for s in am.get("/api/v2/silences") if s["status"]["state"] == "active"]
    assert (made["createdBy"], made["comment"]) == ("me", "<i>why</i>")
    assert page.locator("main i").count() == 0
    page.goto(f"{am.url}/#/alerts")
    page.wait_for_selector(".alert")
    assert page.locator(".alert").count() == 2
    page.goto(f"{am.url}/#/silences")
    page.get_by_role("button", name="Expire", exact=True).click()
    page.get_by_role("button", name="Really expire?").click()
    page.wait_for_selector("text=No active silences.")
    assert am.get(f"/api/v2/silence/{made['id']}")["status"]["state"] == "expired"


def test_status(page: Any, am: Running, tmp_path: Path) -> None:
    page.goto(f"{am.url}/#/status")
    page.wait_for_selector("pre")
    assert "group_by" in page.locator("pre").inner_text()

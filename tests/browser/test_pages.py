"""The server's own pages in a browser: the editor, a graph, the menu, and hostile labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from tests.server.running import Running, Target, running, until, write_config

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, target = tmp_path_factory.mktemp("pages"), Target()
    target.lines += 'evil{label="<img src=x onerror=alert(1)>"} 1\n'
    write_config(folder, target.address)
    rules = "groups: [{name: g, interval: 100ms, rules: [{alert: High, expr: level > 0}]}]\n"
    (folder / "rules.yml").write_text(rules)
    with (folder / "p.yml").open("a") as config:
        config.write("rule_files: [rules.yml]\n")
    with running(folder) as started:
        until(lambda: started.value("count_over_time(level[1m]) > 3"), "samples")
        until(lambda: started.value("ALERTS"), "an alert")
        yield started
    target.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    made = browser.new_page()
    made.set_default_timeout(PATIENCE_MS)
    troubles: list[str] = []
    made.on("pageerror", lambda error: troubles.append(str(error)))
    made.on("dialog", lambda dialog: troubles.append(dialog.message))
    yield made
    made.close()
    assert troubles == []


def wait_for_graph(page: Page) -> None:
    """Once more where the newest scrape came too late: at that moment there was nothing to draw."""
    path = page.locator("svg path").first
    for _ in range(5):
        try:
            path.wait_for(state="attached", timeout=PATIENCE_MS / 5)
            return
        except TimeoutError:
            page.reload()
    path.wait_for(state="attached")


def test_type_complete_run_and_share(server: Running, page: Page) -> None:
    page.goto(f"{server.url}/query")
    editor = page.locator(".cm-content")
    editor.click()
    page.keyboard.type("things_to", delay=30)
    page.locator(".cm-tooltip-autocomplete li").first.wait_for(timeout=PATIENCE_MS)
    page.locator(".cm-tooltip-autocomplete li", has_text="things_total").click()
    expect(editor).to_have_text("things_total")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("td.series")).to_contain_text("things_total{", timeout=PATIENCE_MS)
    page.get_by_label("Graph").check()
    wait_for_graph(page)
    assert "g0.expr=things_total" in page.url
    assert "g0.tab=graph" in page.url
    page.get_by_role("button", name="longer range").click()
    expect(page.get_by_label("range", exact=True)).to_have_value("2h")
    page.goto(page.url)
    wait_for_graph(page)
    page.go_back()
    page.get_by_role("button", name="Add query").click()
    expect(page.locator("form.panel")).to_have_count(2)


def test_a_mistake_is_told(server: Running, page: Page) -> None:
    page.goto(f"{server.url}/query?g0.expr=sum(&g0.tab=table")
    expect(page.get_by_role("alert")).to_contain_text("1:5: parse error", timeout=PATIENCE_MS)


def test_labels_are_text(server: Running, page: Page) -> None:
    page.goto(f"{server.url}/query?g0.expr=evil&g0.tab=table")
    expect(page.locator("td.series")).to_contain_text("<img src=x", timeout=PATIENCE_MS)
    page.get_by_label("Graph").check()
    wait_for_graph(page)
    assert page.locator("img").count() == 0


def test_the_metrics_explorer_inserts(server: Running, page: Page) -> None:
    page.goto(f"{server.url}/query")
    page.locator(".cm-content").wait_for(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Metrics").click()
    page.get_by_label("filter metrics").fill("how high")
    page.get_by_role("button", name="level").click(timeout=PATIENCE_MS)
    expect(page.locator(".cm-content")).to_have_text("level")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("alerts", "1 firing"),
        ("rules", "1 rules in 1 groups"),
        ("targets", "1 of 1 up"),
        ("service-discovery", "1 targets scraped"),
        ("status", "buildUser"),
        ("tsdb-status", "numSeries"),
        ("flags", "query.timeout"),
        ("config", "scrape_configs:"),
        ("alertmanager-discovery", "Active"),
    ],
)
def test_each_page_of_the_menu(server: Running, page: Page, path: str, text: str) -> None:
    page.goto(f"{server.url}/query")
    page.locator(f'nav a[href="{path}"]').click()
    expect(page.locator("main")).to_contain_text(text, timeout=PATIENCE_MS)

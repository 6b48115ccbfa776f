"""Hostile text wherever text of others is shown: no page of the server runs it.

A mark of its own stands in each place, so that a page is known to have shown it, as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.server.running import Running, Target, running, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE_MS = 120_000


def evil(mark: str) -> str:
    """Elements, an end of what it may stand in, an attribute, a link."""
    return f"</script></style><img src=x onerror=alert(1)>{mark}' onmouseover='alert(2)"


TARGET = evil("mtarget")
RULES = f"""
groups:
- name: {evil("mgroup")!r}
  interval: 100ms
  rules:
  - alert: {evil("malert")!r}
    expr: vector(1)
    labels: {{own: {evil("mlabel")!r}}}
    annotations: {{summary: {evil("mnote")!r}, runbook_url: "javascript:alert(3)"}}
  - record: recorded
    expr: vector(1)
    labels: {{own: {evil("mrecord")!r}}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, target = tmp_path_factory.mktemp("hostile"), Target()
    name = evil("mmetric").replace('"', "")
    target.lines = f"# HELP ok {evil('mhelp')}\n# TYPE ok gauge\nok 1\n"
    target.lines += f'{{"{name}", label="{evil("mvalue")}"}} 1\n'
    (folder / "rules.yml").write_text(RULES)
    (folder / "p.yml").write_text(
        f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
rule_files: [rules.yml]
scrape_configs:
- job_name: {evil("mjob")!r}
  static_configs:
  - targets: ['{target.address}', '127.0.0.1:1']
    labels: {{own: {TARGET!r}}}
"""
    )
    with running(folder) as started:
        until(lambda: started.value("count_over_time(ok[1m])"), "samples")
        until(lambda: started.value("count(ALERTS)"), "an alert")
        yield started
    target.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    made = browser.new_page()
    made.set_default_timeout(PATIENCE_MS)
    troubles: list[str] = []
    made.on("pageerror", lambda error: troubles.append(str(error)))
    made.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    yield made
    made.close()
    assert troubles == []


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ("/targets", "mtarget"),
        ("/targets", "mjob"),
        ("/service-discovery", "mjob"),
        ("/alerts", "malert"),
        ("/rules", "mgroup"),
        ("/config", "mjob"),
        ("/query?g0.expr=recorded&g0.tab=table", "mrecord"),
        ("/query?g0.expr=ALERTS&g0.tab=table", "mlabel"),
        ('/query?g0.expr={label!=""}&g0.tab=table', "mvalue"),
        ('/query?g0.expr={label!=""}&g0.tab=graph', "mvalue"),
        ("/query?g0.expr=<img src=x onerror=alert(4)>mexpr&g0.tab=table", "mexpr"),
    ],
)
def test_it_is_shown_and_not_run(server: Running, page: Page, path: str, mark: str) -> None:
    page.goto(f"{server.url}{path}")
    expect(page.locator("body")).to_contain_text(mark, timeout=PATIENCE_MS)
    for closed in page.locator("details:not([open]) > summary").all():
        closed.click()
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("[onmouseover]").count() == 0
    links = page.locator("a").evaluate_all("found => found.map(each => each.href)")
    assert not [link for link in links if link.startswith(("javascript:", "data:"))]

"""The gateway's page in a real browser: what was pushed is shown as text, and deleted by button."""

from __future__ import annotations

import base64

import pytest
from gateways import ours

playwright_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
HOSTILE = '<img src=x onerror="document.title=1">/é'


def test_groups_are_shown_and_deleted(chromium: str) -> None:
    value = base64.urlsafe_b64encode(HOSTILE.encode()).decode()
    with ours("--web.enable-admin-api", "--push.enable-utf8-names") as gateway:
        assert gateway.ask("PUT", f"/metrics/job/a/x@base64/{value}", "m 5\n").status == 200
        assert gateway.ask("PUT", "/metrics/job/a/U__y_2e_z/@base64/", "m 6\n").status == 400
        assert gateway.ask("PUT", "/metrics/job/b/U__y_2e_z__@base64/=", "m 6\n").status == 200
        assert gateway.ask("PUT", "/metrics/job/c", "m 6 1\n").status == 400
        with playwright_api.sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page()
            page.set_default_timeout(120_000)
            page.on("dialog", lambda dialog: dialog.accept())
            page.goto(f"{gateway.url}/")
            page.get_by_text("3 groups").wait_for()
            assert page.title() == "Pushgateway · Metrics"
            assert page.get_by_text("Last push failed!").count() == 1
            for job in ("a", "b"):
                row = page.locator("details").filter(has_text=f'job="{job}"')
                row.locator("summary").click()
                row.get_by_role("button", name="Delete group").click()
                page.locator("details").filter(has_text=f'job="{job}"').wait_for(state="detached")
            page.get_by_text("1 group").wait_for()
            page.get_by_role("button", name="Delete all groups").click()
            page.get_by_text("Nothing was pushed yet.").wait_for()
            page.get_by_role("link", name="Status").click()
            page.get_by_text("push.enable-utf8-names").wait_for()
            assert page.locator("img").count() == 0
            browser.close()
        assert not any(name.startswith("m{") for name in gateway.metrics())

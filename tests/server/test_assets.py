"""/user/*: files of one folder, whatever is asked for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fake_server import client_of, make_context

from promlab.server.settings import Settings


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path / "assets"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("hidden")
    (folder / "page.html").write_text("<p>")
    (folder / "deep" / "a b.css").write_text("p {}")
    (folder / "link").symlink_to(tmp_path / "outside.txt")
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe")
    settings = Settings(route_prefix="/lab", user_assets=str(folder))
    async with client_of(make_context(settings)) as found:
        yield found


async def test_files_of_the_folder(client: httpx.AsyncClient) -> None:
    page = await client.get("/lab/user/page.html")
    assert (page.status_code, page.text) == (200, "<p>")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert (await client.get("/lab/user/deep/a%20b.css")).text == "p {}"


@pytest.mark.parametrize(
    "path",
    [
        "../outside.txt",
        "%2e%2e/outside.txt",
        "%2e%2e%2foutside.txt",
        "deep/..%2f..%2foutside.txt",
        "link",
        "loop",
        "pipe",
        "deep",
        "",
        "%2fetc%2fpasswd",
        "page.html%00",
        "nothing",
        "%ff",
    ],
)
async def test_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    request = client.build_request("GET", "http://server/")
    request.url = httpx.URL("http://server", raw_path=f"/lab/user/{path}".encode())
    answer = await client.send(request)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")


async def test_empty_segments_lead_nowhere_outside(client: httpx.AsyncClient) -> None:
    request = client.build_request("GET", "http://server/")
    request.url = httpx.URL("http://server", raw_path=b"/lab/user//etc/passwd")
    answer = await client.send(request)
    assert (answer.status_code, answer.headers["location"]) == (301, "/lab/user/etc/passwd")

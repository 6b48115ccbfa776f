from __future__ import annotations

from typing import Any

import httpx
import pytest

from promlab.server.api_labels import unescape_name


async def test_label_names(client: httpx.AsyncClient, valid: Any) -> None:
    found = valid(await client.get("/api/v1/labels"), "/labels")
    assert found["data"] == ["__name__", "html", "instance", "job", "quote", "é"]
    params = {"match[]": ['up{instance="a:1"}', "hits_total"]}
    found = valid(await client.post("/api/v1/labels", data=params), "/labels")
    assert found["data"] == ["__name__", "instance", "job"]


async def test_label_values(client: httpx.AsyncClient, valid: Any) -> None:
    path = "/label/{name}/values"
    found = valid(await client.get("/api/v1/label/__name__/values"), path)
    assert found["data"] == ["evil", "hits_total", "up"]
    for name in ("%C3%A9", "U___e9_"):
        found = valid(await client.get(f"/api/v1/label/{name}/values"), path)
        assert found["data"] == ["ü"]
    assert (await client.get("/api/v1/label/nope/values")).json()["data"] == []
    answer = await client.get("/api/v1/label/%FF/values")
    assert answer.status_code == 400
    assert "invalid label name" in valid(answer, path)["error"]


async def test_series(client: httpx.AsyncClient, valid: Any) -> None:
    params = {"match[]": ["up", '{job="api"}']}
    found = valid(await client.get("/api/v1/series", params=params), "/series")
    assert found["data"] == [
        {"__name__": "hits_total", "job": "api"},
        {"__name__": "up", "instance": "a:1", "job": "api"},
        {"__name__": "up", "instance": "b:1", "job": "api"},
    ]
    found = valid(await client.get("/api/v1/series", params={"match[]": "evil"}), "/series")
    assert found["data"][0]["html"] == '<img src=x onerror="alert(1)">'
    assert found["data"][0]["quote"] == 'a"b\\c\nd'


@pytest.mark.parametrize(
    ("path", "params", "data"),
    [
        ("labels", {}, ["__name__"]),
        ("label/job/values", {}, None),
        ("label/__name__/values", {}, ["evil"]),
        ("series", {"match[]": "up"}, [{"__name__": "up", "instance": "a:1", "job": "api"}]),
    ],
)
async def test_limit(client: httpx.AsyncClient, path: str, params: Any, data: Any) -> None:
    found = (await client.get(f"/api/v1/{path}", params={**params, "limit": 1})).json()
    if data is None:
        assert "warnings" not in found
    else:
        assert found["data"] == data
        assert found["warnings"] == ["results truncated due to limit"]


async def test_time_range(client: httpx.AsyncClient) -> None:
    params = {"match[]": '{__name__=~".+"}', "start": 200, "end": 300}
    assert (await client.get("/api/v1/series", params=params)).json()["data"] == []
    params = {"start": "1970-01-01T00:01:00Z", "end": "60"}
    assert "html" in (await client.get("/api/v1/labels", params=params)).json()["data"]


@pytest.mark.parametrize(
    ("path", "params", "words"),
    [
        ("series", {}, "no match[] parameter provided"),
        ("series", {"match[]": "{}"}, "match[] must contain at least one non-empty matcher"),
        ("labels", {"match[]": '{a=~".*"}'}, "match[] must contain at least one non-empty"),
        ("series", {"match[]": "up{"}, 'invalid parameter "match[]": 1:4: parse error'),
        ("series", {"match[]": "sum(up)"}, '1:4: parse error: unexpected "("'),
        ("series", {"match[]": "up offset 5m"}, "1:4: parse error: unexpected <offset>"),
        ("series", {"match[]": '{a=~"("}'}, "missing closing )"),
        ("labels", {"start": "x"}, "invalid time value for 'start'"),
        ("labels", {"limit": "-1"}, "limit must be non-negative"),
    ],
)
async def test_bad_requests(
    client: httpx.AsyncClient, valid: Any, path: str, params: Any, words: str
) -> None:
    answer = await client.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 400
    assert words in valid(answer, f"/{path}")["error"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("match[]=%zz", 'invalid URL escape "%zz"'),
        ("match[]=up&match[]=%2", 'invalid URL escape "%2"'),
        ("match[]=%2&match[]=%zz", 'invalid URL escape "%2"'),
        ("match[]=up;a=1", "invalid semicolon separator in query"),
        ("match[]=%2&a;b", "invalid semicolon separator in query"),
    ],
)
@pytest.mark.parametrize("by", ["GET", "POST", "federate"])
async def test_series_of_what_cannot_be_read(
    client: httpx.AsyncClient, by: str, query: str, words: str
) -> None:
    """Other endpoints leave it out, these say so."""
    path = b"/federate" if by == "federate" else b"/api/v1/series"
    if by == "POST":
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        url = client.base_url.copy_with(raw_path=path)
        answer = await client.post(url, content=query, headers=form)
    else:
        url = client.base_url.copy_with(raw_path=path + b"?" + query.encode())
        answer = await client.get(url)
    assert answer.status_code == 400
    said = f"error parsing form values: {words}"
    assert (answer.text if by == "federate" else answer.json()["error"]).strip() == said


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("job", "job"),
        ("U__a_2e_b", "a.b"),
        ("U__a__b", "a_b"),
        ("U___e9_", "é"),
        ("U__a_zz_b", "U__a_zz_b"),
        ("U__a_2e", "U__a_2e"),
        ("U__a_ffffff_", "U__a_ffffff_"),
    ],
)
def test_names_that_need_quoting(written: str, name: str) -> None:
    assert unescape_name(written) == name

"""/consoles/*: templates that ask queries, as the real Prometheus shows them; nothing outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fake_server import client_of, make_context

from promlab.server.settings import Settings
from tests import real_programs

LIBRARY = """
{{ define "head" }}<html><head><title>{{ .Path }}</title></head><body>{{ end }}
{{ define "tail" }}</body></html>{{ end }}
{{ define "row" }}<td>{{ .arg0 }}</td><td>{{ .arg1 }}</td>{{ end }}
"""
PAGES = {
    "page.html": """{{ template "head" . }}
<h1>{{ $params.x }}|{{ .Params.y }}|{{ .RawParams }}|{{ $rawParams.x }}|{{ $path }}</h1>
{{ $externalLabels }}|{{ .Params }}|{{ .Params.none }}|{{ pathPrefix }}
{{ range query "vector(3) or label_replace(vector(4), \\"i\\", \\"a<b\\", \\"\\", \\"\\")" |
 sortByLabel "i" }}<p title="{{ .Labels.i }}">{{ . | label "i" }} {{ . | value }}</p>{{ end }}
{{ template "row" (args "a<b" 2) }}{{ tmpl "row" (args "a<b" 2) }}
{{ safeHtml "<b>x</b>" }} {{ "<b>x</b>" }} {{ with query "1+1" }}{{ . | first | value }}{{ end }}
<script>var x = {{ $params.x }}; var y = "{{ $params.x }}";</script>{{ template "tail" }}""",
    "places.html": """<a href="{{ "/a(b)'c%zz%7B%7b!*[é] \\"x\\"" }}">x</a>
<a href='{{ "/a(b)'c" }}'>y</a><a href="?q={{ "a(b)'%7B&c" }}">z</a><img src="{{ "data:x" }}">
<a href="{{ graphLink "m{a=\\"b\\"}" }}">g</a><p data-x="{{ "a'b" }}">
<div style="width: {{ 3 }}px; height: {{ "4px" }}"></div><input value={{ "a b>" }}>
<script>f({{ $params }}, {{ 1.5 }}, {{ true }}, {{ "</script>" }}, {{ query "vector(1)" }})</script>
<a onclick="g('{{ "it's" }}')">w</a>{{ 1 | printf "%d<" }} 1 < 2 <{{ "x" }}>
<p {{ "onclick" }}="x"><p {{ "title" }}="x"><p {{ "href" }}="x">
<style>a { b: {{ "c;d" }} }</style>""",
    "plain.txt": "plain {{ 1 }}",
    "deep/page.html": "<p>{{ .Path }}",
    "field.html": "{{ .Nope.x }}",
    "syntax.html": "{{ if }}",
    "query.html": '{{ query "sum(" }}',
    "text.html": """{{ query "'x'" }}""",
    "first.html": '{{ query "none" | first }}',
}
QUERY = "x=1%3Cb%22&y=2&x=3"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "consoles" / "deep").mkdir(parents=True)
    (tmp_path / "libraries").mkdir()
    (tmp_path / "libraries" / "a.lib").write_text(LIBRARY)
    (tmp_path / "outside.html").write_text("hidden")
    for name, text in PAGES.items():
        (tmp_path / "consoles" / name).write_text(text)
    return tmp_path


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        route_prefix="",
        external_url="http://h:1",
        console_templates=str(folder / "consoles"),
        console_libraries=str(folder / "libraries"),
    )
    context = make_context(settings, config="global: {external_labels: {a: b}}")
    async with client_of(context) as found:
        yield found


@pytest.mark.peers
async def test_as_prometheus_shows_them(
    client: httpx.AsyncClient, folder: Path, peers: Path
) -> None:
    flags = [f"--web.console.templates={folder}/consoles", "--web.external-url=http://h:1"]
    flags.append(f"--web.console.libraries={folder}/libraries")
    config = "global: {external_labels: {a: b}}\n"
    with real_programs.prometheus(peers, folder / "real", config, *flags) as real:
        for name in PAGES:
            ours = await client.get(f"/consoles/{name}?{QUERY}")
            theirs = real.get(f"/consoles/{name}?{QUERY}")
            assert ours.text.strip() == theirs.text.strip(), name
            assert ours.status_code == theirs.status_code, name
            assert ours.headers["content-type"] == theirs.headers["content-type"], name


async def test_what_a_url_brings_is_text(client: httpx.AsyncClient) -> None:
    page = await client.get("/consoles/page.html", params={"x": "</script><script>alert(1)"})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


@pytest.mark.parametrize(
    "path", ["../outside.html", "%2e%2e/outside.html", "deep", "", "%2fetc/passwd", "none.html"]
)
async def test_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    request = client.build_request("GET", "http://server/")
    request.url = httpx.URL("http://server", raw_path=f"/consoles/{path}".encode())
    answer = await client.send(request)
    assert answer.status_code == 404
    assert "hidden" not in answer.text


async def test_pieces_in_pieces_end(client: httpx.AsyncClient, folder: Path) -> None:
    (folder / "libraries" / "b.lib").write_text('{{ define "r" }}{{ tmpl "r" . }}{{ end }}')
    (folder / "consoles" / "r.html").write_text('{{ tmpl "r" . }}')
    answer = await client.get("/consoles/r.html")
    assert answer.status_code == 500
    assert "nested" in answer.text


async def test_comments_of_scripts_hold_no_values(client: httpx.AsyncClient, folder: Path) -> None:
    text = '<script>/* {{ "*/x" }} */ a = {{ "y" }} // {{ "z" }}\nb = "//{{ "w" }}"</script>'
    (folder / "consoles" / "c.html").write_text(text)
    answer = await client.get("/consoles/c.html")
    assert answer.text == '<script>/*  */ a = "y" // \nb = "//w"</script>'

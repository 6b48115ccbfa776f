"""Kernels of a real Jupyter Server, and users of a hub."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from made_up_machine import Samples, parsed
from notebook_server import free_port, until

from promlab import lifeline
from promlab.errors import ConfigError
from promlab.exporters.jupyter.command import FLAGS, make

TOKEN = "a-token"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder, port = tmp_path_factory.mktemp("jupyter"), free_port()
    (folder / "token").write_text(f"{TOKEN}\n")
    command = [sys.executable, "-m", "jupyter_server", f"--port={port}", "--ip=127.0.0.1"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"]
    command += ["--ServerApp.allow_root=True", "--ServerApp.open_browser=False"]
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    process = lifeline.spawn(command, env=env, stderr=subprocess.DEVNULL)
    headers = {"Authorization": f"token {TOKEN}"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:

            def is_up() -> bool:
                with contextlib.suppress(httpx.HTTPError):
                    return client.get("/api/status").status_code == 200
                return False

            until(is_up)
            yield client
    finally:
        process.terminate()
        process.wait(240)
        lifeline.release(process)


def metrics(url: str) -> Samples:
    return parsed(httpx.get(url, timeout=240).text)


def test_a_server(jupyter: httpx.Client, run_kind: Callable[..., str], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    base = str(jupyter.base_url).rstrip("/")
    url = run_kind("jupyter", f"--jupyter.url={base}", f"--jupyter.token-file={token}")
    assert metrics(url)["jupyter_up", ()] == 1
    asked = {"path": "a.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python3"}}
    session = jupyter.post("/api/sessions", json=asked, timeout=240).json()
    kernel = session["kernel"]["id"]
    jupyter.post("/api/terminals", json={}, timeout=240)
    one = ("kernel_id", kernel)
    found: Samples = {}

    def has_memory() -> bool:
        found.update(metrics(url))
        return ("jupyter_kernel_resident_memory_bytes", (one,)) in found

    until(has_memory)
    about = (one, ("kernel_name", "python3"), ("path", "a.ipynb"))
    assert found["jupyter_kernel_info", about] == 1
    states = {
        dict(labels)["state"]: value
        for (name, labels), value in found.items()
        if name == "jupyter_kernel_state"
    }
    assert sum(states.values()) == 1
    assert {"idle", "busy", "starting"} <= set(states)
    assert found["jupyter_sessions", (("type", "notebook"),)] == 1
    assert found["jupyter_terminals", ()] == 1
    assert found["jupyter_kernel_resident_memory_bytes", (one,)] > 10e6
    assert found["jupyter_kernel_cpu_seconds_total", (one,)] > 0
    last = found["jupyter_kernel_last_activity_timestamp_seconds", (one,)]
    assert last >= found["jupyter_server_start_time_seconds", ()] - 1
    jupyter.delete(f"/api/sessions/{session['id']}", timeout=240)
    until(lambda: not any("kernel_id" in dict(labels) for _, labels in metrics(url)))
    token.write_text("another")  # a token that was changed
    assert metrics(url)["jupyter_up", ()] == 0
    token.write_text(TOKEN)
    assert metrics(url)["jupyter_up", ()] == 1


USERS: list[dict[str, Any]] = [
    {"name": "ann", "admin": True, "last_activity": "2026-01-02T03:04:05.5Z", "servers": {}},
    {
        "name": 'b"ob',
        "admin": False,
        "last_activity": None,
        "servers": {
            "": {"ready": True, "pending": None, "started": "2026-01-02T00:00:00Z"},
            "gpu": {"ready": False, "pending": "spawn", "started": None},
        },
    },
    {"name": "cleo", "admin": False, "last_activity": "2026-01-02T00:00:00Z"},
]


class Hub(http.server.BaseHTTPRequestHandler):
    """The hub's API as its reference describes it: two users a page."""

    broken = False

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        if self.headers["Authorization"] != f"token {TOKEN}":
            self._say(403, {"status": 403, "message": "Forbidden"})
        elif url.path == "/hub/api/":
            self._say(200, {"version": "5.2.1"})
        elif Hub.broken:
            self._say(200, {"items": [{"nam": "x"}]})
        elif url.path == "/hub/api/users":
            offset = int(urllib.parse.parse_qs(url.query)["offset"][0])
            following = {"offset": offset + 2, "limit": 2, "url": "…"}
            rest = len(USERS) > offset + 2
            pages = {"offset": offset, "limit": 2, "next": following if rest else None}
            self._say(200, {"items": USERS[offset : offset + 2], "_pagination": pages})
        else:
            self._say(404, {})

    def _say(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hub/api"
        server.shutdown()


def test_users_of_a_hub(
    hub: str, run_kind: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", TOKEN)
    url = run_kind("jupyter", "--jupyter.url=http://127.0.0.1:1", f"--hub.url={hub}")
    found = metrics(url)
    assert found["jupyter_up", ()] == 0  # which takes nothing from the hub
    assert found["jupyterhub_up", ()] == 1
    assert found["jupyterhub_users", (("role", "admin"),)] == 1
    assert found["jupyterhub_users", (("role", "user"),)] == 2
    assert found["jupyterhub_servers", (("state", "ready"),)] == 1
    assert found["jupyterhub_servers", (("state", "spawn"),)] == 1
    assert found["jupyterhub_server_ready", (("server", "gpu"), ("user", 'b"ob'))] == 0
    name = "jupyterhub_user_last_activity_timestamp_seconds"
    assert found[name, (("user", "ann"),)] == 1767323045.5
    assert (name, (("user", 'b"ob'),)) not in found
    monkeypatch.setattr(Hub, "broken", True)
    assert metrics(url)["jupyterhub_up", ()] == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"jupyter.url": ""}, "neither"),
        ({"jupyter.url": "localhost:8888"}, "is no URL"),
        ({"jupyter.token-file": "/nowhere/token"}, "the token can't be read"),
    ],
)
def test_flags_that_are_refused(flags: dict[str, str], message: str) -> None:
    given = {name: default for name, (default, _) in FLAGS.items()}
    with pytest.raises(ConfigError, match=message):
        make({**given, **flags})


@pytest.mark.peers
def test_promtool_finds_nothing_in_what_a_server_does(
    peers: Path,
    jupyter: httpx.Client,
    run_kind: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", TOKEN)
    url = run_kind("jupyter", f"--jupyter.url={jupyter.base_url}")
    jupyter.post("/api/kernels", json={}, timeout=240)
    until(lambda: "jupyter_kernel_cpu_seconds_total{" in httpx.get(url, timeout=240).text)
    done = subprocess.run(
        [peers / "promtool", "check", "metrics"],
        input=httpx.get(url, timeout=240).content,
        capture_output=True,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")

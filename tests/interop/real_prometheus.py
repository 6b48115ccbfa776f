"""A real Prometheus on a free port, and what it answers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.notebook_server import free_port
from tests.server.running import until


@contextmanager
def prometheus(peers: Path, folder: Path, config: str, *flags: str) -> Iterator[httpx.Client]:
    folder.mkdir()
    port = free_port()
    (folder / "p.yml").write_text(config)
    command = [str(peers / "prometheus"), f"--config.file={folder}/p.yml"]
    command += [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, *flags], stderr=log, stdout=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:

            def is_ready() -> bool:
                assert process.poll() is None, (folder / "log").read_text()
                return client.get("/-/ready").status_code == 200

            until(is_ready, "ready")
            yield client
    finally:
        process.terminate()
        process.wait(20)


def value(client: httpx.Client, query: str) -> str | None:
    answer = client.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", answer
    result = answer["data"]["result"]
    return result[0]["value"][1] if result else None

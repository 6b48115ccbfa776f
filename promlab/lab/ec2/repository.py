"""The git repository that learners clone: scripts of this package, made anew for each lab.

A simulated instance clones it over plain HTTP: git reads a bare repository from any web server
that hands out its files, after `git update-server-info`. A real instance can't reach this machine,
and so gets it as a bundle (one file that git clones from) within its user data, the script that
an instance runs when it starts for the first time.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
import textwrap
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from promlab.errors import ServerError

SOURCE = Path(__file__).parent / "repository"
NAME = "prometheus-lab.git"
BUNDLE = "/srv/prometheus-lab.bundle"
_WHO = {
    "GIT_AUTHOR_NAME": "promlab", "GIT_AUTHOR_EMAIL": "lab@promlab.invalid",
    "GIT_COMMITTER_NAME": "promlab", "GIT_COMMITTER_EMAIL": "lab@promlab.invalid",
    # The same commit every time: learners at two tables see one history.
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
}  # fmt: skip


def make(folder: Path) -> Path:
    """A bare repository with all scripts in one commit. Raises ServerError without git."""
    if shutil.which("git") is None:
        raise ServerError("the lab needs git: install it (apt-get install git)")
    work, bare = folder / "work", folder / NAME
    shutil.copytree(SOURCE, work)
    for command in (
        ["git", "init", "--quiet", "--initial-branch=main", str(work)],
        ["git", "-C", str(work), "add", "--all"],
        ["git", "-C", str(work), "commit", "--quiet", "--message=Scripts of the Prometheus lab"],
        ["git", "clone", "--quiet", "--bare", str(work), str(bare)],
        ["git", "-C", str(bare), "update-server-info"],
    ):
        subprocess.run(command, check=True, env={**os.environ, **_WHO}, capture_output=True)
    shutil.rmtree(work)
    return bare


def bundle() -> bytes:
    """The repository as one file. Raises ServerError without git."""
    with tempfile.TemporaryDirectory() as folder:
        bare, file = make(Path(folder)), Path(folder) / "bundle"
        command = ["git", "-C", str(bare), "bundle", "create", "--quiet", str(file), "HEAD", "main"]
        subprocess.run(command, check=True, env={**os.environ, **_WHO}, capture_output=True)
        return file.read_bytes()


def user_data() -> str:
    """A script that puts the bundle to `BUNDLE` on an instance. Raises ServerError.

    $ROOT is empty on a real machine; in the simulated one it is the folder that stands for `/`.
    """
    coded = "\n".join(textwrap.wrap(base64.b64encode(bundle()).decode(), 76))
    path = f'"${{ROOT:-}}{BUNDLE}"'
    return (
        "#!/bin/bash\n"
        "# Puts the lab's git repository on the disk: nothing has to be fetched for it.\n"
        "set -eu\n"
        f"mkdir -p $(dirname {path})\n"
        f"base64 --decode >{path} <<END_OF_BUNDLE\n{coded}\nEND_OF_BUNDLE\n"
        f"chmod 644 {path}\n"
    )


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing: standard error is the lab's."""


def serve(folder: Path) -> tuple[ThreadingHTTPServer, str]:
    """Hand out a folder's files on a free loopback port; the server, and the address to clone."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, name="git", daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/{NAME}"

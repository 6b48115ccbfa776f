"""What the benchmarks share: the load tools, and the command line of our server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("PROMLAB_SHARED") or ROOT.parent / "shared")
LOAD_TOOLS = SHARED / "tools" / "bench"

PROMLAB = (
    f"promlab={sys.executable} -m promlab serve --config.file={{config}} "
    "--storage.tsdb.path={data} --web.listen-address=127.0.0.1:{port} "
    "--web.enable-remote-write-receiver --log.level=error"
)


def need_load_tools() -> None:
    """Leave with one clear line where the load tools are not at hand."""
    if not LOAD_TOOLS.is_dir():
        sys.exit(f"this benchmark needs the load tools in {LOAD_TOOLS}: set PROMLAB_SHARED")
    if str(LOAD_TOOLS) not in sys.path:
        sys.path.insert(0, str(LOAD_TOOLS))


def run_load_tool(script: str, *arguments: str) -> None:
    """Run one of the load tools, its output straight to ours."""
    need_load_tools()
    subprocess.run([sys.executable, LOAD_TOOLS / script, *arguments], check=True)

"""Vega for the browser, without a network and once a page.

The bundle comes from vl-convert's wheel. Making it takes a second and holds the interpreter,
so a process of its own does it, once an installation, and the result is kept compressed in
the user's cache folder. `VegaAsset` carries it to the page: one widget a kernel, which all
charts refer to, so that no chart carries (and no notebook file keeps) a copy of its own.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import sys
import tempfile
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import traitlets
from anywidget import AnyWidget

from promlab.errors import PromlabError

_MAKE = """
import gzip, sys, vl_convert
sys.stdout.buffer.write(gzip.compress(vl_convert.javascript_bundle().encode(), 6, mtime=0))
"""
_TIMEOUT_S = 120.0
_lock = threading.Lock()
_asset: VegaAsset | None = None


def bundle() -> bytes:
    """Vega, Vega-Lite and vega-embed as one script, gzipped. Raises PromlabError."""
    with _lock:
        path = _cached()
        try:
            found = path.read_bytes()
            gzip.decompress(found)
        except (OSError, EOFError):
            found = _make()
            _keep(path, found)
        return found


def prepare() -> None:
    """Make the bundle in the background, so that the first chart need not wait for it."""
    threading.Thread(target=_try, name="promlab-vega", daemon=True).start()


def asset() -> VegaAsset:
    """The widget that carries Vega to this kernel's pages."""
    global _asset
    if _asset is None or _asset.comm is None:
        _asset = VegaAsset(script=bundle())
    return _asset


class VegaAsset(AnyWidget):  # type: ignore[misc]  # anywidget has no stubs here
    """A widget without a view: `script` is the gzipped bundle."""

    _esm = "export default {};"
    script = traitlets.Bytes(b"").tag(sync=True)


def _try() -> None:
    with contextlib.suppress(PromlabError):  # whoever needs it is told then
        bundle()


def _cached() -> Path:
    try:
        release = version("vl-convert-python")
    except PackageNotFoundError:
        raise PromlabError("live graphs need vl-convert: pip install 'promlab[lab]'") from None
    caches = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    base = Path(os.environ.get("PROMLAB_CACHE_DIR") or Path(caches) / "promlab")
    return base / f"vega-{release}.js.gz"


def _make() -> bytes:
    command = [sys.executable, "-c", _MAKE]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise PromlabError(f"Vega cannot be had from vl-convert: {error}") from None
    return done.stdout


def _keep(path: Path, content: bytes) -> None:
    """Put the file in place as a whole; without a writable cache it is made anew each time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as aside:
            aside.write(content)
        Path(aside.name).replace(path)
    except OSError:
        pass

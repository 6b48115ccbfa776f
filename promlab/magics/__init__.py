"""`%load_ext promlab`: PromQL cells, server verbs, completion and help in a notebook.

Loading is quick: what is slow to import (charts, frames) is fetched by a thread or when it
is first used. Unloading takes everything back.
"""

from __future__ import annotations

from typing import Any

_ATTRIBUTE = "_promlab_extension"


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext promlab`."""
    from promlab.magics.extension import Extension

    if getattr(shell, _ATTRIBUTE, None) is None:
        setattr(shell, _ATTRIBUTE, Extension(shell))


def unload_ipython_extension(shell: Any) -> None:
    """Called by `%unload_ext promlab`."""
    extension = getattr(shell, _ATTRIBUTE, None)
    if extension is not None:
        extension.unload()
        delattr(shell, _ATTRIBUTE)

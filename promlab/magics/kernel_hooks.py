"""Methods of a running kernel that are wrapped while the extension is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class KernelHook:
    """One wrapped method of one kernel; `remove` gives the kernel its own back."""

    def __init__(self, kernel: Any, name: str, wrap: Callable[[Callable[..., Any]], Any]) -> None:
        self._kernel, self._name = kernel, name
        self._made = wrap(getattr(kernel, name))
        setattr(kernel, name, self._made)

    def remove(self) -> None:
        """Take the wrapper off, unless somebody has wrapped it again since."""
        if vars(self._kernel).get(self._name) is self._made:
            delattr(self._kernel, self._name)

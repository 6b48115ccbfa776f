"""Notification templates: the defaults that come with promlab, then the user's files.

Later definitions replace earlier ones, so that a user may change any default.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from promlab.alertmanager.notify.functions import NowNs, functions
from promlab.config.document import read_text
from promlab.errors import ConfigError
from promlab.templating import TemplateSet, TemplateSyntaxError
from promlab.templating.html import HtmlEscaper

_DEFAULTS = Path(__file__).parent.parent / "templates"


@lru_cache(maxsize=1)
def _default_texts() -> tuple[tuple[str, str], ...]:
    files = sorted(_DEFAULTS.glob("*.tmpl"))
    return tuple((file.name, file.read_text(encoding="utf-8")) for file in files)


class Templates:
    """All templates of a configuration. Raises ConfigError if a file has none that parse."""

    def __init__(self, globs: Sequence[str] = (), now_ns: NowNs | None = None) -> None:
        found = functions(now_ns) if now_ns else functions()
        self._set = TemplateSet(found, missing="zero")
        for name, text in _default_texts():
            self._set.add(name, text)
        self.files = [path for pattern in globs for path in sorted(glob.glob(pattern))]  # noqa: PTH207  (patterns are the user's, absolute ones too)
        for path in self.files:
            try:
                self._set.add(Path(path).name, read_text(path))
            except TemplateSyntaxError as error:
                raise ConfigError(f"bad template: {error}", path=path, line=error.line) from None

    @property
    def names(self) -> list[str]:
        """Names of all templates."""
        return self._set.names

    def text(self, text: str, value: Any) -> str:
        """A text expanded as plain text. Raises TemplateError."""
        return self._set.expand(text, value) if "{{" in text else text

    def html(self, text: str, value: Any) -> str:
        """A text expanded as HTML, values escaped where they stand. Raises TemplateError."""
        if "{{" not in text:
            return text
        return self._set.expand(text, value, escaper=HtmlEscaper())

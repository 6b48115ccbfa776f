"""alertmanager.yml: read, checked, settled and printed.

Built on `promlab.config`'s sections: strict about unknown fields, with file, line, column and
field in every error, secrets hidden when printed.
"""

from __future__ import annotations

from promlab.alertmanager.config.config import Config
from promlab.alertmanager.config.load import load, load_text

__all__ = ["Config", "load", "load_text"]

"""TLS settings as OpenSSL takes them."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


@contextmanager
def as_file(path: str, text: str) -> Iterator[str]:
    """The path, or that of a file for as long as it is needed: OpenSSL reads nothing else."""
    if path:
        yield path
        return
    descriptor, name = tempfile.mkstemp(prefix="promlab-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        yield name
    finally:
        Path(name).unlink()

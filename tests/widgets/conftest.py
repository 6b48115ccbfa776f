"""The real server that these tests ask."""

from __future__ import annotations

from notebook_server import prometheus

__all__ = ["prometheus"]

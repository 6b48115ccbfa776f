"""Fixtures of the server's tests."""

from __future__ import annotations

from fake_server import client, context, settings, valid

__all__ = ["client", "context", "settings", "valid"]

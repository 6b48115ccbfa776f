from __future__ import annotations

import pytest

from promlab.magics.connection import Connection


def test_a_kernel_without_a_lab_asks_the_server_named_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROMLAB_URL", "http://127.0.0.1:1")
    connection = Connection()
    try:
        assert connection.is_elsewhere
        assert connection.client().url == "http://127.0.0.1:1"
        connection.use("http://127.0.0.1:2")
        assert connection.client().url == "http://127.0.0.1:2"
    finally:
        connection.close()


def test_without_it_the_kernel_has_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMLAB_URL", raising=False)
    connection = Connection()
    assert not connection.is_elsewhere
    assert connection.existing() is None

"""Notifications arrive, are waited for, and are shown as text."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from promlab.errors import NotReady
from promlab.lab import inbox as inboxes
from promlab.lab.inbox import Inbox

MESSAGE = {
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Down"},
            "annotations": {"summary": "<b>gone</b>"},
        }
    ]
}


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with inboxes.open() as made:
        yield made


def test_a_notification_is_kept_and_shown(inbox: Inbox) -> None:
    assert httpx.post(inbox.url, json=MESSAGE).status_code == 200
    assert inbox.wait(120) == MESSAGE
    assert "firing  Down  <b>gone</b>" in repr(inbox)
    assert "<b>" not in inbox._repr_html_()
    assert inbox.wait(120, where=lambda message: bool(message["alerts"])) == MESSAGE


def test_waiting_in_vain_is_told(inbox: Inbox) -> None:
    with pytest.raises(NotReady, match="no notification"):
        inbox.wait(0.01)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_notification_is_refused(inbox: Inbox, body: bytes) -> None:
    assert httpx.post(inbox.url, content=body).status_code == 400
    assert not inbox.messages

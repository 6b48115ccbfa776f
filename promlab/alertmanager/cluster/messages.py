"""What peers send each other: JSON, small and typed; versions that are unknown are refused."""

from __future__ import annotations

import msgspec

from promlab.alertmanager.cluster.state import Member
from promlab.errors import PromlabError

VERSION = 1
MAX_BYTES = 256 << 20


class Message(msgspec.Struct):
    """One exchange. `silences` and `entries` are in the form in which they are stored.

    A full exchange (`full`) asks for everything back; other messages carry news.
    """

    sender: Member
    label: str = ""
    version: int = VERSION
    full: bool = False
    members: list[Member] = msgspec.field(default_factory=list)
    silences: list[msgspec.Raw] = msgspec.field(default_factory=list)
    entries: list[msgspec.Raw] = msgspec.field(default_factory=list)

    @property
    def kind(self) -> str:
        """As metrics call it."""
        return "full_state" if self.full else "update"


class BadMessage(PromlabError):
    """A message that is none, or is for another cluster."""


_decoder = msgspec.json.Decoder(Message)


def decode(raw: bytes, label: str) -> Message:
    """A message for the cluster of this label. Raises BadMessage."""
    try:
        message = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage(f"not a message of a peer: {error}") from None
    if message.version != VERSION:
        raise BadMessage(f"a message of version {message.version}: this peer speaks {VERSION}")
    if message.label != label:
        raise BadMessage("a message of another cluster: --cluster.label differs")
    return message

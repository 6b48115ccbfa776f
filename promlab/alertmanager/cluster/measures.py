"""What the cluster counts of its messages, under the names that dashboards know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

from promlab.alertmanager.cluster.state import Members

_KINDS = ("full_state", "update")
# Every message goes by TCP, whatever its size, so that none is oversized.
_OVERSIZED = ("dropped", "failure", "sent")
_KEYS = ("nfl", "sil")
_PREFIX = "alertmanager_cluster"

Meeting = Awaitable[tuple[int, int]]
Metric = tuple[str, Mapping[str, str], float]


@dataclass(slots=True)
class ClusterMeasures:
    """Counts since the start."""

    sent: Counter[str] = field(default_factory=Counter)
    sent_bytes: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    received_bytes: Counter[str] = field(default_factory=Counter)
    alive_messages: Counter[str] = field(default_factory=Counter)
    reconnections: int = 0
    reconnections_failed: int = 0
    joins: int = 0
    joins_failed: int = 0

    def went(self, kind: str, size_bytes: int) -> None:
        """Count a message that was sent."""
        self.sent[kind] += 1
        self.sent_bytes[kind] += size_bytes

    def came(self, kind: str, size_bytes: int, peer: str) -> None:
        """Count a message of a peer."""
        self.received[kind] += 1
        self.received_bytes[kind] += size_bytes
        self.alive_messages[peer] += 1

    async def count_meetings(self, *, again: Meeting, anew: Meeting) -> None:
        """Wait for meetings with peers that were lost, and with those never met."""
        met, missed = await again
        self.reconnections += met
        self.reconnections_failed += missed
        met, missed = await anew
        self.joins += met
        self.joins_failed += missed

    def metrics(self, members: Members, *, queued: int) -> list[Metric]:
        """Names, labels, values."""
        name = members.own.name
        plain = {
            "enabled": 1,
            "members": len(members.everybody),
            "failed_peers": len(members.failed),
            "health_score": len(members.failed),
            "peers_joined_total": members.joined,
            "peers_left_total": members.lost,
            "peers_update_total": members.updates,
            "peer_name_conflicts_total": members.conflicts,
            "messages_queued": queued,
            "messages_pruned_total": 0,
            "reconnections_total": self.reconnections,
            "reconnections_failed_total": self.reconnections_failed,
            "refresh_join_total": self.joins,
            "refresh_join_failed_total": self.joins_failed,
        }
        found: list[Metric] = [(f"{_PREFIX}_{key}", {}, value) for key, value in plain.items()]
        for key, counts in (
            ("messages_sent_total", self.sent),
            ("messages_sent_size_total", self.sent_bytes),
            ("messages_received_total", self.received),
            ("messages_received_size_total", self.received_bytes),
        ):
            found += [(f"{_PREFIX}_{key}", {"msg_type": kind}, counts[kind]) for kind in _KINDS]
        peers = {name: 1, **self.alive_messages}
        found += [
            (f"{_PREFIX}_alive_messages_total", {"peer": peer}, n) for peer, n in peers.items()
        ]
        found.append((f"{_PREFIX}_peer_info", {"peer": name}, 1))
        found.append(("alertmanager_peer_position", {}, members.position))
        found += [
            (f"alertmanager_oversized_gossip_message_{what}_total", {"key": key}, 0)
            for what in _OVERSIZED
            for key in _KEYS
        ]
        return found

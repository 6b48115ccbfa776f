"""fibrechannel: ports of host bus adapters: frames, words, errors."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost

_COUNTERS = {
    "dumped_frames": "dumped_frames",
    "error_frames": "error_frames",
    "fcp_packet_aborts": "fcp_packet_aborts",
    "invalid_crc_count": "invalid_crc",
    "invalid_tx_word_count": "invalid_tx_words",
    "link_failure_count": "link_failure",
    "loss_of_signal_count": "loss_of_signal",
    "loss_of_sync_count": "loss_of_sync",
    "nos_count": "nos",
    "rx_frames": "rx_frames",
    "rx_words": "rx_words",
    "seconds_since_last_reset": "seconds_since_last_reset",
    "tx_frames": "tx_frames",
    "tx_words": "tx_words",
}
_INFO = (
    "dev_loss_tmo",
    "fabric_name",
    "port_id",
    "port_name",
    "port_state",
    "port_type",
    "speed",
    "supported_classes",
    "supported_speeds",
    "symbolic_name",
)
_NOT_COUNTED = 2**64 - 1


class Collector(OfHost):
    """node_fibrechannel_*{fc_host} from /sys/class/fc_host."""

    def collect(self) -> Iterator[Family]:
        """Counters that the adapter keeps, and what it is."""
        host = self._host
        if not host.has_sys("class/fc_host"):
            raise NoData("no fibre channel adapter")
        found = Gathered("node_fibrechannel", "Fibre channel port")
        for port in host.list_sys("class/fc_host"):
            path = f"class/fc_host/{port}"
            words = {word: host.sys_word(f"{path}/{word}") or "" for word in _INFO}
            info = {word: text.removeprefix("0x") for word, text in words.items()}
            found.gauge("info", 1, {"fc_host": port, **info})
            for file, name in _COUNTERS.items():
                count = host.sys_number(f"{path}/statistics/{file}")
                if count != _NOT_COUNTED:
                    found.counter(f"{name}_total", count, {"fc_host": port})
        yield from found

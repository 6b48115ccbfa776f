"""infiniband: adapters and their ports: state, rate, traffic, errors."""

from __future__ import annotations

from collections.abc import Iterator

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import NoData, OfHost

_COUNTERS = {
    "counters/excessive_buffer_overrun_errors": "excessive_buffer_overrun_errors",
    "counters/link_downed": "link_downed",
    "counters/link_error_recovery": "link_error_recovery",
    "counters/local_link_integrity_errors": "local_link_integrity_errors",
    "counters/multicast_rcv_packets": "multicast_packets_received",
    "counters/multicast_xmit_packets": "multicast_packets_transmitted",
    "counters/port_rcv_constraint_errors": "port_constraint_errors_received",
    "counters/port_rcv_data": "port_data_received_bytes",
    "counters/port_rcv_discards": "port_discards_received",
    "counters/port_rcv_errors": "port_errors_received",
    "counters/port_rcv_packets": "port_packets_received",
    "counters/port_rcv_remote_physical_errors": "port_receive_remote_physical_errors",
    "counters/port_rcv_switch_relay_errors": "port_receive_switch_relay_errors",
    "counters/port_xmit_constraint_errors": "port_constraint_errors_transmitted",
    "counters/port_xmit_data": "port_data_transmitted_bytes",
    "counters/port_xmit_discards": "port_discards_transmitted",
    "counters/port_xmit_packets": "port_packets_transmitted",
    "counters/port_xmit_wait": "port_transmit_wait",
    "counters/symbol_error": "symbol_error",
    "counters/unicast_rcv_packets": "unicast_packets_received",
    "counters/unicast_xmit_packets": "unicast_packets_transmitted",
    "counters/VL15_dropped": "vl15_dropped",
    "counters_ext/port_multicast_rcv_packets": "legacy_multicast_packets_received",
    "counters_ext/port_multicast_xmit_packets": "legacy_multicast_packets_transmitted",
    "counters_ext/port_rcv_data_64": "legacy_data_received_bytes",
    "counters_ext/port_rcv_packets_64": "legacy_packets_received",
    "counters_ext/port_unicast_rcv_packets": "legacy_unicast_packets_received",
    "counters_ext/port_unicast_xmit_packets": "legacy_unicast_packets_transmitted",
    "counters_ext/port_xmit_data_64": "legacy_data_transmitted_bytes",
    "counters_ext/port_xmit_packets_64": "legacy_packets_transmitted",
    "hw_counters/duplicate_request": "duplicate_requests_packets",
    "hw_counters/implied_nak_seq_err": "implied_nak_seq_errors",
    "hw_counters/local_ack_timeout_err": "local_ack_timeout_errors",
    "hw_counters/np_cnp_sent": "np_cnp_packets_sent",
    "hw_counters/np_ecn_marked_roce_packets": "np_ecn_marked_roce_packets_received",
    "hw_counters/out_of_buffer": "out_of_buffer_drops",
    "hw_counters/out_of_sequence": "out_of_sequence_packets_received",
    "hw_counters/packet_seq_err": "packet_sequence_errors",
    "hw_counters/req_cqe_error": "req_cqes_errors",
    "hw_counters/req_cqe_flush_error": "req_cqes_flush_errors",
    "hw_counters/req_remote_access_errors": "req_remote_access_errors",
    "hw_counters/req_remote_invalid_request": "req_remote_invalid_request_errors",
    "hw_counters/resp_cqe_error": "resp_cqes_errors",
    "hw_counters/resp_cqe_flush_error": "resp_cqes_flush_errors",
    "hw_counters/resp_local_length_error": "resp_local_length_errors",
    "hw_counters/resp_remote_access_errors": "resp_remote_access_errors",
    "hw_counters/rnr_nak_retry_err": "rnr_nak_retry_packets_received",
    "hw_counters/roce_adp_retrans": "roce_adp_retransmits",
    "hw_counters/roce_adp_retrans_to": "roce_adp_retransmits_timeout",
    "hw_counters/roce_slow_restart": "roce_slow_restart_used",
    "hw_counters/roce_slow_restart_cnps": "roce_slow_restart_cnps",
    "hw_counters/roce_slow_restart_trans": "roce_slow_restart",
    "hw_counters/rp_cnp_handled": "rp_cnp_packets_handled",
    "hw_counters/rp_cnp_ignored": "rp_cnp_ignored_packets_received",
    "hw_counters/rx_atomic_requests": "rx_atomic_requests",
    "hw_counters/rx_dct_connect": "rx_dct_connect_requests",
    "hw_counters/rx_icrc_encapsulated": "rx_icrc_encapsulated_errors",
    "hw_counters/rx_read_requests": "rx_read_requests",
    "hw_counters/rx_write_requests": "rx_write_requests",
}
_WORD_BYTES = 4  # the specification counts data in words of four bytes
_GBIT_BYTES = 1e9 / 8


class Collector(OfHost):
    """node_infiniband_*{device,port} from /sys/class/infiniband."""

    def collect(self) -> Iterator[Family]:
        """Adapters, then the state and the counters of their ports."""
        host = self._host
        if not host.has_sys("class/infiniband"):
            raise NoData("no InfiniBand adapter")
        found = Gathered("node_infiniband", "InfiniBand")
        for device in host.list_sys("class/infiniband"):
            path = f"class/infiniband/{device}"
            info = {
                "board_id": host.sys_word(f"{path}/board_id") or "",
                "device": device,
                "firmware_version": host.sys_word(f"{path}/fw_ver") or "",
                "hca_type": host.sys_word(f"{path}/hca_type") or "",
            }
            found.gauge("info", 1, info)
            for port in host.list_sys(f"{path}/ports"):
                labels = {"device": device, "port": port}
                self._port(found, f"{path}/ports/{port}", labels)
        yield from found

    def _port(self, found: Gathered, path: str, labels: dict[str, str]) -> None:
        host = self._host
        # `4: ACTIVE`, `5: LinkUp`, `40 Gb/sec (4X QDR)`
        state, _, _ = host.sys(f"{path}/state").partition(":")
        physical, _, _ = host.sys(f"{path}/phys_state").partition(":")
        gbits, _, _ = host.sys(f"{path}/rate").partition(" ")
        found.gauge("state_id", int(state), labels)
        found.gauge("physical_state_id", int(physical), labels)
        found.gauge("rate_bytes_per_second", float(gbits) * _GBIT_BYTES, labels)
        lifespan_ms = host.sys_number(f"{path}/hw_counters/lifespan")
        if lifespan_ms is not None:
            found.gauge("lifespan_seconds", lifespan_ms / 1000, labels)
        for file, name in _COUNTERS.items():
            number = host.sys_number(f"{path}/{file}")  # some say `N/A (no PMA)`
            if number is not None and name.endswith("_bytes"):
                number *= _WORD_BYTES
            found.counter(f"{name}_total", number, labels)

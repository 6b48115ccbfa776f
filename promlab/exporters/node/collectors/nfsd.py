"""nfsd: what this machine's NFS server did, from /proc/net/rpc/nfsd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promlab.exporters.families import Family
from promlab.exporters.node.collectors.nfs import V2, V3, count_requests, table, words_of
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import OfHost

# Operations of NFS 4.0 by their number, from 3 on; the lower ones are not used.
_V4_OPS = words_of(
    "Access Close Commit Create DelegPurge DelegReturn GetAttr GetFH Link Lock Lockt Locku Lookup "
    "LookupRoot Nverify Open OpenAttr OpenConfirm OpenDgrd PutFH - - Read ReadDir ReadLink Remove "
    "Rename Renew RestoreFH SaveFH SecInfo SetAttr SetClientID SetClientIDConfirm Verify Write "
    "RelLockOwner"
)
_FIRST_OP = 3
_LINES = {
    "rc": (
        "reply_cache_hits_total",
        "reply_cache_misses_total",
        "reply_cache_nocache_total",
    ),
    "fh": ("file_handles_stale_total",),
    "io": ("disk_bytes_read_total", "disk_bytes_written_total"),
}
_RPC_ERRORS = {2: "fmt", 3: "auth", 4: "cInt"}


class Collector(OfHost):
    """node_nfsd_*."""

    def collect(self) -> Iterator[Family]:
        """Counters of the server, and how many threads it has."""
        lines = table(self._host, "net/rpc/nfsd")
        found = Gathered("node_nfsd", "NFS server")
        for line, names in _LINES.items():
            for name, number in zip(names, lines.get(line, []), strict=False):
                found.counter(name, number)
        if "th" in lines:
            found.gauge("server_threads", lines["th"][0])
        if "ra" in lines:
            found.gauge("read_ahead_cache_size_blocks", lines["ra"][0])
            found.counter("read_ahead_cache_not_found_total", lines["ra"][-1])
        _packets, udp, tcp, connections = lines["net"]
        found.counter("packets_total", udp, {"proto": "udp"})
        found.counter("packets_total", tcp, {"proto": "tcp"})
        found.counter("connections_total", connections)
        rpc = lines["rpc"]
        found.counter("server_rpcs_total", rpc[0])
        for place, error in _RPC_ERRORS.items():
            found.counter("rpc_errors_total", rpc[place], {"error": error})
        self._requests(found, lines)
        yield from found

    def _requests(self, found: Gathered, lines: Mapping[str, list[int]]) -> None:
        for version, methods in (("2", V2), ("3", V3)):
            # Without `Null`, the first of them, which does nothing.
            numbers = lines.get(f"proc{version}", [])
            count_requests(found, version, methods[1:], numbers[:1] + numbers[2:])
        # Behind the number of operations, they stand by their numbers.
        operations = lines.get("proc4ops", [])[1 + _FIRST_OP :]
        operations += [0] * (len(_V4_OPS) - len(operations))
        for name, count in zip(_V4_OPS, operations, strict=False):
            if name != "-":
                found.counter("requests_total", count, {"method": name, "proto": "4"})
        if "wdeleg_getattr" in lines:
            found.counter(
                "requests_total",
                lines["wdeleg_getattr"][0],
                {"method": "WdelegGetattr", "proto": "4"},
            )

"""nfs: what this machine asked of NFS servers, from /proc/net/rpc/nfs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promlab.exporters.families import Family
from promlab.exporters.node.gathered import Gathered
from promlab.exporters.node.host import Host, NoData, OfHost


def words_of(text: str) -> tuple[str, ...]:
    """Names, written one after the other."""
    return tuple(text.split())


V2 = words_of(
    "Null GetAttr SetAttr Root Lookup ReadLink Read WrCache Write Create Remove Rename Link "
    "SymLink MkDir RmDir ReadDir FsStat"
)
V3 = words_of(
    "Null GetAttr SetAttr Lookup Access ReadLink Read Write Create MkDir SymLink MkNod Remove "
    "RmDir Rename Link ReadDir ReadDirPlus FsStat FsInfo PathConf Commit"
)
V4 = words_of(
    "Null Read Write Commit Open OpenConfirm OpenNoattr OpenDowngrade Close Setattr FsInfo Renew "
    "SetClientID SetClientIDConfirm Lock Lockt Locku Access Getattr Lookup LookupRoot Remove "
    "Rename Link Symlink Create Pathconf StatFs ReadLink ReadDir ServerCaps DelegReturn GetACL "
    "SetACL FsLocations ReleaseLockowner Secinfo FsidPresent ExchangeID CreateSession "
    "DestroySession Sequence GetLeaseTime ReclaimComplete GetDeviceInfo LayoutGet LayoutCommit "
    "LayoutReturn SecinfoNoName TestStateID FreeStateID GetDeviceList BindConnToSession "
    "DestroyClientID Seek Allocate DeAllocate LayoutStats Clone"
)
VERSIONS = {"proc2": ("2", V2), "proc3": ("3", V3), "proc4": ("4", V4)}


class Collector(OfHost):
    """node_nfs_*."""

    def collect(self) -> Iterator[Family]:
        """Counters of the client."""
        lines = table(self._host, "net/rpc/nfs")
        found = Gathered("node_nfs", "NFS client")
        _packets, udp, tcp, connections = lines["net"]
        found.counter("packets_total", udp, {"protocol": "udp"})
        found.counter("packets_total", tcp, {"protocol": "tcp"})
        found.counter("connections_total", connections)
        calls, again, refreshed = lines["rpc"]
        found.counter("rpcs_total", calls)
        found.counter("rpc_retransmissions_total", again)
        found.counter("rpc_authentication_refreshes_total", refreshed)
        for line, (version, methods) in VERSIONS.items():
            count_requests(found, version, methods, lines.get(line, []))
        yield from found


def table(host: Host, name: str) -> dict[str, list[int]]:
    """Lines of a file by their first word. Raises NoData."""
    try:
        text = host.proc(name)
    except FileNotFoundError:
        raise NoData(f"no /proc/{name}") from None
    words = (line.split() for line in text.splitlines())
    return {line[0]: [int(float(word)) for word in line[1:]] for line in words if line}


def count_requests(
    found: Gathered, version: str, methods: Sequence[str], numbers: list[int]
) -> None:
    """Requests by method. How many methods a kernel knows comes first; 0 for those it does not."""
    counts = numbers[1:] + [0] * len(methods)
    for method, count in zip(methods, counts, strict=False):
        found.counter("requests_total", count, {"method": method, "proto": version})

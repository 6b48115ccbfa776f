"""Each collector on a made-up machine: names, labels and values, to the last digit."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import psutil
import pytest
from made_up_machine import MACHINE, collect, machine, samples

from promlab.errors import ConfigError
from promlab.exporters.node.collectors import NAMES, collector_class, cpu, diskstats, meminfo
from promlab.exporters.node.collectors import os as os_collector
from promlab.exporters.node.collectors.filesystem import Collector as Filesystem
from promlab.exporters.node.host import Host, NoData

EXPECTED: dict[str, dict[str, float]] = {
    "arp": {'node_arp_entries{device="eth0"}': 2, 'node_arp_entries{device="wlan0"}': 1},
    "conntrack": {
        "node_nf_conntrack_entries": 123,
        "node_nf_conntrack_entries_limit": 262144,
        "node_nf_conntrack_stat_found": 3 + 103,
        "node_nf_conntrack_stat_search_restart": 17 + 117,
    },
    "cpufreq": {
        'node_cpu_frequency_hertz{cpu="1"}': 1_700_001_000,
        'node_cpu_scaling_frequency_min_hertz{cpu="0"}': 900_000_000,
        'node_cpu_scaling_governor{cpu="0",governor="powersave"}': 1,
        'node_cpu_scaling_governor{cpu="0",governor="performance"}': 0,
    },
    "kernel_hung": {"node_kernel_hung_tasks_total": 5},
    "schedstat": {
        'node_schedstat_running_seconds_total{cpu="0"}': 12,
        'node_schedstat_waiting_seconds_total{cpu="1"}': 5,
        'node_schedstat_timeslices_total{cpu="1"}': 600,
    },
    "softnet": {
        'node_softnet_processed_total{cpu="0"}': 1000,
        'node_softnet_received_rps_total{cpu="1"}': 15,
        'node_softnet_backlog_len{cpu="1"}': 17,
    },
    "thermal_zone": {
        'node_thermal_zone_temp{type="cpu-thermal",zone="0"}': 49.925,
        'node_cooling_device_cur_state{name="1",type="Fan"}': 2,
        'node_cooling_device_max_state{name="1",type="Fan"}': 9,
    },
    "udp_queues": {
        'node_udp_queues{ip="v4",queue="tx"}': 17,
        'node_udp_queues{ip="v6",queue="rx"}': 514,
    },
    "cpu": {
        'node_cpu_seconds_total{cpu="0",mode="idle"}': 120.0,
        'node_cpu_seconds_total{cpu="0",mode="user"}': 20.0,
        'node_cpu_seconds_total{cpu="1",mode="steal"}': 0.02,
        'node_cpu_seconds_total{cpu="1",mode="softirq"}': 0.12,
        'node_cpu_guest_seconds_total{cpu="0",mode="user"}': 0.2,
        'node_cpu_guest_seconds_total{cpu="1",mode="nice"}': 0.01,
        'node_cpu_core_throttles_total{core="1",package="0"}': 6,
        'node_cpu_package_throttles_total{package="0"}': 30,
    },
    "meminfo": {
        "node_memory_MemTotal_bytes": 8_000_000 * 1024,
        "node_memory_MemAvailable_bytes": 5_500_000 * 1024,
        "node_memory_Active_anon_bytes": 1_100_000 * 1024,
        "node_memory_HugePages_Total": 4,
        "node_memory_Hugepagesize_bytes": 2048 * 1024,
    },
    "diskstats": {
        'node_disk_reads_completed_total{device="sda"}': 100,
        'node_disk_read_bytes_total{device="sda"}': 2000 * 512,
        'node_disk_read_time_seconds_total{device="sda"}': 0.3,
        'node_disk_written_bytes_total{device="dm-0"}': 3600 * 512,
        'node_disk_io_now{device="sda"}': 2,
        'node_disk_io_time_seconds_total{device="sda"}': 0.6,
        'node_disk_discarded_sectors_total{device="sda"}': 240,
        'node_disk_flush_requests_time_seconds_total{device="sda"}': 0.06,
        'node_disk_info{device="sda",major="8",minor="0",model="",path="",revision="",'
        'rotational="1",serial="",wwn=""}': 1,
    },
    "loadavg": {"node_load1": 0.25, "node_load5": 1.5, "node_load15": 2.75},
    "filefd": {"node_filefd_allocated": 736, "node_filefd_maximum": 1_620_000},
    "entropy": {"node_entropy_available_bits": 256, "node_entropy_pool_size_bits": 4096},
    "pressure": {
        "node_pressure_cpu_waiting_seconds_total": 1.5,
        "node_pressure_io_waiting_seconds_total": 2.5,
        "node_pressure_io_stalled_seconds_total": 1.25,
        "node_pressure_memory_waiting_seconds_total": 4e-5,
        "node_pressure_memory_stalled_seconds_total": 3e-5,
        "node_pressure_irq_stalled_seconds_total": 7.0,
    },
    "vmstat": {
        "node_vmstat_oom_kill": 1,
        "node_vmstat_pgfault": 55555,
        "node_vmstat_pgmajfault": 66,
        "node_vmstat_pgpgin": 111,
        "node_vmstat_pgpgout": 222,
        "node_vmstat_pswpin": 3,
        "node_vmstat_pswpout": 4,
    },
    "stat": {
        "node_boot_time_seconds": 1_700_000_000,
        "node_context_switches_total": 1_234_567,
        "node_forks_total": 4321,
        "node_intr_total": 987_654,
        "node_procs_running": 3,
        "node_procs_blocked": 1,
    },
    "netstat": {
        "node_netstat_TcpExt_ListenDrops": 6,
        "node_netstat_IpExt_OutOctets": 654_321,
        "node_netstat_Ip_Forwarding": 1,
        "node_netstat_Tcp_CurrEstab": 33,
        "node_netstat_UdpLite_InErrors": 2,
        "node_netstat_Ip6_InOctets": 51,
        "node_netstat_Udp6_InErrors": 62,
        "node_netstat_UdpLite6_InErrors": 63,
    },
    "sockstat": {
        "node_sockstat_sockets_used": 120,
        "node_sockstat_TCP_tw": 2,
        "node_sockstat_TCP_mem": 3,
        "node_sockstat_TCP_mem_bytes": 3 * os.sysconf("SC_PAGE_SIZE"),
        "node_sockstat_UDP6_inuse": 7,
    },
    "netdev": {
        'node_network_receive_bytes_total{device="lan0"}': 70001,
        'node_network_receive_multicast_total{device="lan0"}': 8,
        'node_network_receive_nohandler_total{device="lan0"}': 9,
        'node_network_transmit_carrier_total{device="lan0"}': 17,
        'node_network_transmit_compressed_total{device="lan0"}': 18,
        'node_network_receive_bytes_total{device="wifi0"}': 0,
    },
    "netclass": {
        'node_network_up{device="lan0"}': 1,
        'node_network_up{device="lo"}': 0,
        'node_network_speed_bytes{device="lan0"}': 125_000_000,
        'node_network_speed_bytes{device="wifi0"}': -125_000,
        'node_network_device_id{device="lan0"}': 0x20,
        'node_network_flags{device="lan0"}': 0x1303,
        'node_network_mtu_bytes{device="lo"}': 65536,
        'node_network_info{address="02:00:00:00:00:01",adminstate="up",'
        'broadcast="ff:ff:ff:ff:ff:ff",device="lan0",duplex="full",ifalias="uplink",'
        'operstate="up"}': 1,
        'node_network_info{address="02:00:00:00:00:02",adminstate="down",'
        'broadcast="ff:ff:ff:ff:ff:ff",device="wifi0",duplex="",ifalias="",operstate="down"}': 1,
    },
    "os": {
        'node_os_info{build_id="",id="example",id_like="debian other",image_id="",'
        'image_version="",name="Example Linux",pretty_name="Example Linux 12.5 ("quoted")",'
        'variant="",variant_id="",version="12.5.1 (Sample)",version_codename="sample",'
        'version_id="12.5.1"}': 1,
        'node_os_version{id="example",id_like="debian other",name="Example Linux"}': 12.5,
        "node_os_support_end_timestamp_seconds": 1_909_008_000,
    },
    "time": {
        'node_time_clocksource_available_info{clocksource="hpet",device="0"}': 1,
        'node_time_clocksource_current_info{clocksource="tsc",device="0"}': 1,
    },
}
WHOLE = {"loadavg", "filefd", "entropy", "pressure", "vmstat", "stat", "os"}


@pytest.mark.parametrize("name", EXPECTED)
def test_collector_reads_the_machine(name: str) -> None:
    found = samples(collect(name))
    expected = EXPECTED[name]
    assert {series: found.get(series) for series in expected} == pytest.approx(expected, rel=1e-12)
    if name in WHOLE:
        assert set(found) == set(expected)


@pytest.mark.parametrize("name", NAMES)
def test_collector_of_a_machine_without_anything_raises_what_the_exporter_expects(
    name: str, tmp_path: Path
) -> None:
    empty = str(tmp_path)
    host = Host(procfs=empty, sysfs=empty, rootfs=empty, udev=empty, linux=True)
    try:
        list(collector_class(name)(host).collect())
    except (OSError, NoData):
        assert name not in ("textfile", "time", "uname")


@pytest.mark.parametrize("name", NAMES)
def test_collector_elsewhere_than_on_linux(name: str, tmp_path: Path) -> None:
    """Without /proc: what psutil knows, or a failure that the exporter reports."""
    host = Host(procfs=str(tmp_path), sysfs=str(tmp_path), linux=False)
    families, failed = [], False
    try:
        families = list(collector_class(name)(host).collect())
    except (OSError, NoData):
        failed = True
    portable = {"cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "os", "stat"}
    portable |= {"textfile", "time", "uname"}
    assert failed == (name not in portable)
    assert all(family.help and family.name.startswith("node_") for family in families)


def test_no_series_twice() -> None:
    for name in EXPECTED:
        families = collect(name)
        assert len(samples(families)) == sum(len(family.samples) for family in families)
        assert len({family.name for family in families}) == len(families)


def test_devices_are_left_out_by_default_or_by_flag() -> None:
    devices = lambda families: {  # noqa: E731
        labels["device"] for family in families for _, labels, _ in family.samples
    }
    assert devices(collect("diskstats")) == {"sda", "dm-0"}
    only = machine(diskstats__device_include="^(sda1|loop0)$")
    assert devices(collect("diskstats", only)) == {"sda1", "loop0"}
    assert devices(collect("netdev", machine(netdev__device_exclude="lan|lo"))) == {"wifi0"}
    ignored = machine(netclass__ignored_devices="wifi.*", netclass__ignore_invalid_speed=True)
    assert devices(collect("netclass", ignored)) == {"lan0", "lo"}


def test_bad_expressions_are_configuration_errors() -> None:
    with pytest.raises(ConfigError, match=r"netdev.device-exclude.*missing"):
        collector_class("netdev")(machine(netdev__device_exclude="lan("))
    with pytest.raises(ConfigError, match="can't be used together"):
        collector_class("netdev")(machine(netdev__device_exclude="a", netdev__device_include="b"))
    with pytest.raises(ConfigError, match="not a duration"):
        collector_class("filesystem")(machine(filesystem__mount_timeout="soon"))


def test_softirqs_and_guests_by_flag() -> None:
    found = samples(collect("stat", machine(stat__softirq=True)))
    assert found['node_softirqs_total{vector="net_rx"}'] == 400
    assert found['node_softirqs_total{vector="rcu"}'] == 289
    names = {family.name for family in collect("cpu", machine(cpu__guest=False))}
    assert "node_cpu_guest_seconds_total" not in names


def test_udev_describes_a_disk(tmp_path: Path) -> None:
    host = machine()
    host.udev = str(tmp_path)
    properties = "S:disk/by-id/x\nE:ID_MODEL=Spinner_2000\nE:ID_SERIAL_SHORT=X1\nE:ID_WWN=0x5\n"
    (tmp_path / "b8:0").write_text(properties)
    about = next(f for f in collect("diskstats", host) if f.name == "node_disk_info")
    disk = next(labels for _, labels, _ in about.samples if labels["device"] == "sda")
    assert (disk["model"], disk["serial"], disk["wwn"]) == ("Spinner_2000", "X1", "0x5")


def test_cpu_counters_never_step_back(tmp_path: Path) -> None:
    host = machine()
    host.procfs = str(tmp_path)
    collector = cpu.Collector(host)

    def seconds(mode: str, line: str) -> float:
        (tmp_path / "stat").write_text(f"cpu  0\n{line}\n")
        key = f'node_cpu_seconds_total{{cpu="0",mode="{mode}"}}'
        return samples(list(collector.collect()))[key]

    assert seconds("iowait", "cpu0 100 0 0 5000 700 0 0 0 0 0") == 7.0
    assert seconds("iowait", "cpu0 100 0 0 5010 600 0 0 0 0 0") == 7.0
    assert seconds("idle", "cpu0 100 0 0 5005 600 0 0 0 0 0") == 50.1
    # Switched off and on: all of it starts anew.
    assert seconds("iowait", "cpu0 1 0 0 100 2 0 0 0 0 0") == 0.02


def test_os_release_is_unquoted_as_a_shell_does() -> None:
    assert os_collector.parse('A=\'x y\'\nB="p\\"q"\n#C=1\n\nD=plain') == {
        "A": "x y",
        "B": 'p"q',
        "D": "plain",
    }


def test_system_without_os_release(tmp_path: Path) -> None:
    host = machine()
    host.rootfs = str(tmp_path)
    with pytest.raises(NoData):
        collect("os", host)


def test_uname_is_this_kernel() -> None:
    (series,) = samples(collect("uname"))
    assert f'nodename="{os.uname().nodename}"' in series
    assert 'domainname="example.org"' in series


class TestFilesystem:
    def host(self, tmp_path: Path, *lines: str, **flags: str) -> Host:
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "mountinfo").write_text("".join(line + "\n" for line in lines))
        host = machine(**flags)
        host.procfs, host.rootfs = str(tmp_path), "/"
        return host

    def test_figures_are_those_of_statvfs(self, tmp_path: Path) -> None:
        host = self.host(tmp_path, "27 1 254:3 / / rw,relatime shared:1 - ext4 /dev/root rw")
        found = samples(collect("filesystem", host))
        labels = '{device="/dev/root",device_error="",fstype="ext4",mountpoint="/"}'
        now = os.statvfs("/")
        assert found[f"node_filesystem_size_bytes{labels}"] == now.f_blocks * now.f_frsize
        assert found[f"node_filesystem_files{labels}"] == now.f_files
        assert found[f"node_filesystem_readonly{labels}"] == 0
        assert found[f"node_filesystem_device_error{labels}"] == 0
        numbers = '{device="/dev/root",major="254",minor="3",mountpoint="/"}'
        assert found[f"node_filesystem_mount_info{numbers}"] == 1

    def test_names_are_unescaped_and_missing_mounts_are_errors(self, tmp_path: Path) -> None:
        gone = f"{tmp_path}/no\\040such"
        host = self.host(tmp_path, f"9 1 0:9 / {gone} ro - xfs /dev/x ro")
        found = samples(collect("filesystem", host))
        (error,) = [name for name in found if name.startswith("node_filesystem_device_error")]
        assert f'mountpoint="{tmp_path}/no such"' in error
        assert 'device_error="no such file or directory"' in error
        assert not any(name.startswith("node_filesystem_size_bytes") for name in found)

    def test_types_and_mount_points_are_left_out(self, tmp_path: Path) -> None:
        host = self.host(
            tmp_path,
            "1 1 0:1 / /proc rw - proc proc rw",
            "2 1 0:2 / /proc/x rw - ext4 /dev/a rw",
            "3 1 0:3 / /opt rw - overlay overlay rw",
            "4 1 0:4 / / ro - ext4 /dev/b ro",
            "4 1 0:4 / / ro - ext4 /dev/b ro",
        )
        families = {family.name: family for family in collect("filesystem", host)}
        readonly = families["node_filesystem_readonly"].samples
        assert [(labels["device"], value) for _, labels, value in readonly] == [("/dev/b", 1)]

    def test_mount_points_of_a_host_that_is_mounted_elsewhere(self, tmp_path: Path) -> None:
        (tmp_path / "host" / "data").mkdir(parents=True)
        root = tmp_path / "host"
        host = self.host(
            tmp_path,
            f"1 1 0:1 / {root} rw - ext4 /dev/a rw",
            f"2 1 0:2 / {root}/data rw - ext4 /dev/b rw",
            "3 1 0:3 / /elsewhere rw - ext4 /dev/c rw",
        )
        host.rootfs = str(root)
        sizes = next(
            f for f in collect("filesystem", host) if f.name == "node_filesystem_size_bytes"
        )
        assert {labels["mountpoint"] for _, labels, _ in sizes.samples} == {"/", "/data"}

    def test_one_that_does_not_answer_is_left_behind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = self.host(
            tmp_path,
            "1 1 0:1 / /srv/far rw - nfs4 server:/far rw",
            "2 1 0:2 / / rw - ext4 /dev/a rw",
            filesystem__mount_timeout="1ms",
        )
        collector = Filesystem(host)
        answered, asked, real = threading.Event(), [], os.statvfs

        def statvfs(path: str) -> os.statvfs_result:
            asked.append(path)
            if path == "/srv/far":
                answered.wait()
            return real("/")

        monkeypatch.setattr(os, "statvfs", statvfs)
        try:
            for _ in range(2):
                found = samples(list(collector.collect()))
                far = [name for name in found if "server:/far" in name and "_error{" in name]
                assert 'device_error="mountpoint timeout"' in far[0]
                assert any(name.startswith("node_filesystem_size_bytes") for name in found)
            assert asked.count("/srv/far") == 1  # not asked again while it hangs
        finally:
            answered.set()


def test_portable_figures_are_psutils() -> None:
    found = samples([*meminfo.portable(), cpu.portable(), *diskstats.portable()])
    assert found["node_memory_total_bytes"] == psutil.virtual_memory().total
    cpus = {name for name in found if 'mode="idle"' in name}
    assert len(cpus) == psutil.cpu_count()


def test_the_made_up_machine_is_there() -> None:
    assert (MACHINE / "proc" / "stat").is_file()

"""timex: how well the clock is disciplined, as adjtimex(2) tells."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

from promlab.exporters.families import Family, counter, gauge
from promlab.exporters.node.host import NoData, OfHost

_NANOSECONDS = 0x2000  # STA_NANO: offset and jitter are in nanoseconds
_TIME_ERROR = 5
_PPM = 1e6 * 65536


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


class Collector(OfHost):
    """Gauges and counters of the clock."""

    def collect(self) -> Iterator[Family]:
        """node_timex_*."""
        if not self._host.linux:
            raise NoData("adjtimex is Linux's")
        state, timex = _read()
        unit = 1e9 if timex.status & _NANOSECONDS else 1e6
        for name, help_, value in (
            ("sync_status", "Whether the clock is synchronized.", state != _TIME_ERROR),
            ("offset_seconds", "Distance from the reference clock.", timex.offset / unit),
            ("frequency_adjustment_ratio", "Pace of the clock.", 1 + timex.freq / _PPM),
            ("maxerror_seconds", "Greatest error.", timex.maxerror / 1e6),
            ("estimated_error_seconds", "Estimated error.", timex.esterror / 1e6),
            ("status", "Status bits.", timex.status),
            ("loop_time_constant", "Time constant of the loop.", timex.constant),
            ("tick_seconds", "Time between ticks.", timex.tick / 1e6),
            ("pps_frequency_hertz", "Frequency of the pulse.", timex.ppsfreq / _PPM),
            ("pps_jitter_seconds", "Jitter of the pulse.", timex.jitter / unit),
            ("pps_shift_seconds", "Duration of the pulse's interval.", timex.shift),
            ("pps_stability_hertz", "Stability of the pulse.", timex.stabil / _PPM),
            ("tai_offset_seconds", "Offset of atomic time.", timex.tai),
        ):
            yield gauge(f"node_timex_{name}", help_, float(value))
        for name, help_, count in (
            ("pps_jitter_total", "Pulses with too much jitter.", timex.jitcnt),
            ("pps_calibration_total", "Calibrations by the pulse.", timex.calcnt),
            ("pps_error_total", "Calibrations that failed.", timex.errcnt),
            ("pps_stability_exceeded_total", "Pulses that were not stable.", timex.stbcnt),
        ):
            yield counter(f"node_timex_{name}", help_, count)


def _read() -> tuple[int, _Timex]:
    timex = _Timex()
    library = ctypes.CDLL(None, use_errno=True)
    state: int = library.adjtimex(ctypes.byref(timex))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return state, timex

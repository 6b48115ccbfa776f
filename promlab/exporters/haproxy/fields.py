"""Which column of HAProxy's statistics is which metric, of frontends, backends and servers.

Columns are found by the names in HAProxy's own header, so that versions may add some.
"""

from __future__ import annotations

from typing import NamedTuple

FRONTEND, BACKEND, SERVER = "frontend", "backend", "server"
KINDS = {"0": FRONTEND, "1": BACKEND, "2": SERVER}
_ALL = (FRONTEND, BACKEND, SERVER)
_BEHIND = (BACKEND, SERVER)
_LISTED = (FRONTEND, BACKEND)


class Field(NamedTuple):
    """A column as a metric: `haproxy_<kind>_<name>`; its value is divided by `per`."""

    column: str
    number: int
    name: str
    type: str
    help: str
    kinds: tuple[str, ...]
    code: str = ""
    per: float = 1.0


FIELDS = (
    Field("qcur", 2, "current_queue", "gauge", "Requests that wait for a server.", _BEHIND),
    Field("qmax", 3, "max_queue", "gauge", "Most requests that ever waited.", _BEHIND),
    Field("scur", 4, "current_sessions", "gauge", "Active sessions.", _ALL),
    Field("smax", 5, "max_sessions", "gauge", "Most sessions that ever were.", _ALL),
    Field("slim", 6, "limit_sessions", "gauge", "Configured limit of sessions.", _ALL),
    Field("stot", 7, "sessions_total", "counter", "Sessions.", _ALL),
    Field("bin", 8, "bytes_in_total", "counter", "Bytes that came in.", _ALL),
    Field("bout", 9, "bytes_out_total", "counter", "Bytes that went out.", _ALL),
    Field("dreq", 10, "requests_denied_total", "counter", "Requests denied.", (FRONTEND,)),
    Field("ereq", 12, "request_errors_total", "counter", "Request errors.", (FRONTEND,)),
    Field("econ", 13, "connection_errors_total", "counter", "Connection errors.", _BEHIND),
    Field("eresp", 14, "response_errors_total", "counter", "Response errors.", _BEHIND),
    Field("wretr", 15, "retry_warnings_total", "counter", "Connections tried again.", _BEHIND),
    Field("wredis", 16, "redispatch_warnings_total", "counter",
          "Requests sent to another server.", _BEHIND),
    Field("status", 17, "up", "gauge", "Whether it is up.", _BEHIND),
    Field("weight", 18, "weight", "gauge", "Weight.", _BEHIND),
    Field("act", 19, "current_server", "gauge", "Active servers.", (BACKEND,)),
    Field("chkfail", 21, "check_failures_total", "counter", "Failed health checks.", (SERVER,)),
    Field("downtime", 24, "downtime_seconds_total", "counter", "Time down.", (SERVER,)),
    Field("lbtot", 30, "server_selected_total", "counter", "How often a server was chosen.",
          _BEHIND),
    Field("rate", 33, "current_session_rate", "gauge", "Sessions in the last second.", _ALL),
    Field("rate_lim", 34, "limit_session_rate", "gauge", "Limit of sessions a second.",
          (FRONTEND,)),
    Field("rate_max", 35, "max_session_rate", "gauge", "Most sessions in a second.", _ALL),
    Field("check_duration", 38, "check_duration_seconds", "gauge",
          "How long the last health check took.", (SERVER,), per=1000),
    *(Field(f"hrsp_{code}", 39 + i, "http_responses_total", "counter", "HTTP responses.", _ALL,
            code)
      for i, code in enumerate(("1xx", "2xx", "3xx", "4xx", "5xx", "other"))),
    Field("req_tot", 48, "http_requests_total", "counter", "HTTP requests.", (FRONTEND,)),
    Field("cli_abrt", 49, "client_aborts_total", "counter", "Transfers aborted by clients.",
          _BEHIND),
    Field("srv_abrt", 50, "server_aborts_total", "counter", "Transfers aborted by servers.",
          _BEHIND),
    Field("comp_in", 51, "compressor_bytes_in_total", "counter", "Bytes given to compression.",
          _LISTED),
    Field("comp_out", 52, "compressor_bytes_out_total", "counter", "Bytes from compression.",
          _LISTED),
    Field("comp_byp", 53, "compressor_bytes_bypassed_total", "counter",
          "Bytes that passed compression by.", _LISTED),
    Field("comp_rsp", 54, "http_responses_compressed_total", "counter",
          "HTTP responses that were compressed.", _LISTED),
    Field("qtime", 58, "http_queue_time_average_seconds", "gauge",
          "Average time in the queue, of the last 1024 requests.", _BEHIND, per=1000),
    Field("ctime", 59, "http_connect_time_average_seconds", "gauge",
          "Average time to connect, of the last 1024 requests.", _BEHIND, per=1000),
    Field("rtime", 60, "http_response_time_average_seconds", "gauge",
          "Average time to respond, of the last 1024 requests.", _BEHIND, per=1000),
    Field("ttime", 61, "http_total_time_average_seconds", "gauge",
          "Average time in all, of the last 1024 requests.", _BEHIND, per=1000),
    Field("conn_tot", 79, "connections_total", "counter", "Connections.", (FRONTEND,)),
)  # fmt: skip

_UP = ("UP", "OPEN", "no check", "DRAIN")


def is_up(status: str) -> float:
    """1 for a status in which requests are served: also on the way down, as `UP 1/3`."""
    return float(any(status == up or status.startswith(f"{up} ") for up in _UP))

"""`Client`: the query API of a Prometheus-compatible server as Python calls.

    client = Client("http://localhost:9090")
    client.query("up")                                   # now
    client.query_range("rate(x[1m])", "now-1h", "now")   # a step that suits a chart

A promlab server is asked for Arrow and everybody else answers with JSON. Times and durations
are what promlab.client.times reads. Every method raises ClientError for a refusal, NotRunning
where nobody answers, and PromQLError for what is wrong with a query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from promlab.client.charts import MAX_POINTS_A_SERIES
from promlab.client.decode import envelope, query_arrow, query_json
from promlab.client.results import Result, to_result
from promlab.client.times import DurationLike, TimeLike, now_ms, to_duration_ms, to_ms
from promlab.client.transport import ARROW, JSON, Transport
from promlab.errors import ClientError

_STEPS_MS = tuple(
    n * unit
    for unit, counts in (
        (1_000, (1, 2, 5, 10, 15, 30)),
        (60_000, (1, 2, 5, 10, 15, 30)),
        (3_600_000, (1, 2, 4, 6, 12)),
        (86_400_000, (1, 2, 7, 14, 28)),
    )
    for n in counts
)
MAX_BODY = 1 << 30


class Client:
    """A client of one server; safe to share between threads, and a context manager."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 120.0,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_BODY,
    ) -> None:
        self._transport = Transport(url, timeout_s=timeout_s, headers=headers, max_bytes=max_bytes)
        self.url = self._transport.url

    def query(self, expr: str, at: TimeLike = None) -> Result:
        """Evaluate an expression at one time, now by default."""
        t_ms = now_ms() if at is None else to_ms(at)
        return self._query("/api/v1/query", {"query": expr, "time": _seconds(t_ms)}, expr, 0)

    def query_range(
        self,
        expr: str,
        start: TimeLike = "now-15m",
        end: TimeLike = None,
        step: DurationLike | None = None,
    ) -> Result:
        """Evaluate an expression at each step from `start` to `end`, both included.

        Without a step, one is chosen that gives at most 1,000 points a series.
        """
        now = now_ms()
        start_ms, end_ms = to_ms(start, now), to_ms(end, now)
        if end_ms < start_ms:
            raise ClientError("the end of the query lies before its start", kind="bad_data")
        step_ms = choose_step_ms(end_ms - start_ms) if step is None else to_duration_ms(step)
        params = {
            "query": expr, "start": _seconds(start_ms), "end": _seconds(end_ms),
            "step": _seconds(step_ms),
        }  # fmt: skip
        return self._query("/api/v1/query_range", params, expr, step_ms)

    def labels(
        self, match: str | Sequence[str] = (), start: TimeLike = None, end: TimeLike = None
    ) -> list[str]:
        """Names of labels, all or those of the series that pass a selector."""
        found: list[str] = self._data("/api/v1/labels", _matches(match, start, end), post=True)
        return found

    def label_values(
        self,
        label: str,
        match: str | Sequence[str] = (),
        start: TimeLike = None,
        end: TimeLike = None,
    ) -> list[str]:
        """Values of one label."""
        path = f"/api/v1/label/{_escaped_name(label)}/values"
        found: list[str] = self._data(path, _matches(match, start, end))
        return found

    def series(
        self, match: str | Sequence[str], start: TimeLike = None, end: TimeLike = None
    ) -> list[dict[str, str]]:
        """Label sets of the series that pass a selector."""
        found: list[dict[str, str]] = self._data(
            "/api/v1/series", _matches(match, start, end), post=True
        )
        return found

    def metadata(self, metric: str = "") -> dict[str, list[dict[str, str]]]:
        """Type, help and unit of metrics, by name."""
        found: dict[str, list[dict[str, str]]] = self._data("/api/v1/metadata", {"metric": metric})
        return found

    def targets(self, state: str = "active") -> list[dict[str, Any]]:
        """What is scraped: the server's own records, one a target."""
        found = self._data("/api/v1/targets", {"state": state})
        key = "droppedTargets" if state == "dropped" else "activeTargets"
        return list(found.get(key) or [])

    def status(self, what: str = "runtimeinfo") -> Any:
        """A page of the server's status: runtimeinfo, buildinfo, config, flags, tsdb."""
        return self._data(f"/api/v1/status/{quote(what, safe='/')}", {})

    def rules(self) -> list[dict[str, Any]]:
        """Rule groups with their rules and alerts."""
        return list(self._data("/api/v1/rules", {}).get("groups") or [])

    def is_ready(self) -> bool:
        """Whether the server says that it can answer queries. Raises NotRunning."""
        try:
            self._transport.request("/-/ready")
        except ClientError:
            return False
        return True

    def close(self) -> None:
        """Close the connections; the client may be used again."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def _query(self, path: str, params: dict[str, str], expr: str, step_ms: int) -> Result:
        accept = f"{ARROW}, {JSON};q=0.9"
        answer = self._transport.request(path, params, post=True, accept=accept)
        decode = query_arrow if answer.content_type.startswith(ARROW) else query_json
        return to_result(decode(answer.body, self.url), expr, step_ms)

    def _data(self, path: str, params: Mapping[str, Any], *, post: bool = False) -> Any:
        import msgspec

        answer = self._transport.request(path, params, post=post)
        return msgspec.json.decode(envelope(answer.body, self.url).data)


def choose_step_ms(
    length_ms: int, points: int = MAX_POINTS_A_SERIES, *, at_least_ms: int = 1_000
) -> int:
    """A round step that gives at most `points` points over a stretch of time."""
    wanted = max(at_least_ms, -(-length_ms // max(1, points - 1)))
    for step in _STEPS_MS:
        if step >= wanted:
            return step
    return -(-wanted // 86_400_000) * 86_400_000


def _seconds(t_ms: int) -> str:
    whole, rest = divmod(abs(t_ms), 1000)
    return f"{'-' if t_ms < 0 else ''}{whole}.{rest:03d}"


def _matches(match: str | Sequence[str], start: TimeLike, end: TimeLike) -> dict[str, Any]:
    params: dict[str, Any] = {"match[]": [match] if isinstance(match, str) else list(match)}
    if start is not None:
        params["start"] = _seconds(to_ms(start))
    if end is not None:
        params["end"] = _seconds(to_ms(end))
    return params


def _escaped_name(label: str) -> str:
    """A label name as the API wants it in a path: `U__` and escapes for unusual ones."""
    if label.isascii() and label.replace("_", "a").isalnum() and not label[:1].isdigit():
        return label
    pieces = [
        "__" if c == "_" else c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in label
    ]
    return quote("U__" + "".join(pieces), safe="")

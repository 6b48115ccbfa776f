"""Targets and rules that come and go without a file: `promlab.targets.add("host:9100", job="web")`.

What is added is checked by the server, kept by it, and gone when it is removed: a restart of
the server changes nothing about it. `url` names a server; without one it is the lab that runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from promlab.errors import ClientError, NotRunning

_TIMEOUT_S = 60.0


def add(
    *addresses: str,
    job: str,
    labels: Mapping[str, str] | None = None,
    scrape_config: Mapping[str, Any] | None = None,
    url: str | None = None,
) -> str:
    """Scrape these addresses (`host:port`) from now on, as the job `job`; returns its name.

    A job that was added under this name before is replaced. `scrape_config` adds fields of a
    scrape config, such as `scrape_interval="5s"` or `metrics_path`. Raises ClientError with the
    server's words where it refuses, NotRunning where there is none.
    """
    group = {"targets": list(addresses), "labels": dict(labels or {})}
    config = {"job_name": job, "static_configs": [group], **dict(scrape_config or {})}
    answer = _ask("POST", "targets", url, {"job": job, "scrape_config": config})
    return str(answer["job"])


def remove(job: str, *, url: str | None = None) -> None:
    """Remove a job that was added. Raises ClientError if none was under this name."""
    _ask("DELETE", f"targets/{quote(job, safe='')}", url)


def jobs(*, url: str | None = None) -> dict[str, str]:
    """The jobs that were added, by name, as YAML."""
    return dict(_ask("GET", "targets", url)["jobs"])


def add_rules(name: str, groups: Sequence[Mapping[str, Any]], *, url: str | None = None) -> None:
    """Evaluate rule groups, as a rule file has them, from now on. Raises ClientError."""
    _ask("POST", "rules", url, {"name": name, "groups": [dict(group) for group in groups]})


def remove_rules(name: str, *, url: str | None = None) -> None:
    """Remove rules that were added. Raises ClientError if none were under this name."""
    _ask("DELETE", f"rules/{quote(name, safe='')}", url)


def _ask(method: str, path: str, url: str | None, body: Any = None) -> Any:
    import httpx

    base = (url or _running_url()).rstrip("/")
    try:
        answer = httpx.request(method, f"{base}/api/v1/lab/{path}", json=body, timeout=_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise NotRunning(f"no server answers at {base}: {error}") from None
    try:
        found = answer.json()
    except ValueError:
        raise ClientError(f"{base} is not a promlab server: status {answer.status_code}") from None
    if found.get("status") != "success":
        raise ClientError(str(found.get("error", answer.status_code)))
    return found["data"]


def _running_url() -> str:
    from promlab.lab.session import running

    lab = running()
    if lab is None:
        raise NotRunning("no lab is running: promlab.start() starts one, or give url=")
    return str(lab.url)

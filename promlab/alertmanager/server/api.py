"""The API v2: alerts, groups, receivers, silences, status."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.core import AlertStatus
from promlab.alertmanager.matcher_syntax import MatcherSyntaxError
from promlab.alertmanager.matchers import parse_one
from promlab.alertmanager.server import models
from promlab.alertmanager.server.context import Context
from promlab.alertmanager.server.errors import ApiError, schema_error
from promlab.alertmanager.silence import InvalidSilence, Silence, SilenceNotFound, listing
from promlab.alertmanager.silences import TooManySilences
from promlab.config.document import MAX_BYTES
from promlab.errors import StorageError
from promlab.model.matchers import BadRegex, Matcher, compile_regex
from promlab.web.http import JSON, Request, Response

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True", "yes", "on", "ok", "y", "YES", "ON"))
_EVERY = 500  # alerts or silences shown before others get their turn


def answer(value: Any) -> Response:
    """JSON."""
    return Response(200, msgspec.json.encode(value) + b"\n", JSON)


async def _flag(request: Request, name: str, default: bool = True) -> bool:
    given = (await request.form()).get(name)
    return given[-1] in _TRUE if given and given[-1] else default


async def _matchers(request: Request, context: Context, name: str = "filter") -> list[Matcher]:
    found = []
    for text in (await request.form()).get(name, ()):
        try:
            found.append(parse_one(text, context.settings.features.mode, "api"))
        except MatcherSyntaxError as error:
            prefix = "" if name == "filter" else f"failed to parse {name} param: "
            raise ApiError(f"{prefix}{error}") from None
    return found


async def _receivers(request: Request, context: Context) -> Callable[[str], bool]:
    """Which receivers are asked for."""
    text = await request.param("receiver")
    try:
        regex = compile_regex(text) if text else None
    except BadRegex as error:
        raise ApiError(f"failed to parse receiver param: {text}: {error}") from None
    matchers = await _matchers(request, context, "receiver_matchers")
    if regex is None and not matchers:
        return lambda name: True
    labels = {each.name: each.labels for each in context.am.config.receivers}

    def wanted(name: str) -> bool:
        if regex is not None and regex.fullmatch(name) is None:
            return False
        return all(m.matches(labels.get(name, {}).get(m.name, "")) for m in matchers)

    return wanted


def _match(matchers: Sequence[Matcher], alert: Alert) -> bool:
    return all(matcher.matches(alert.labels.get(matcher.name, "")) for matcher in matchers)


async def post_alerts(context: Context, request: Request) -> Response:
    """Take alerts. Valid ones are taken even if others are not."""
    _only_json(request)
    posted = models.decode_alerts(await request.body(MAX_BYTES))
    am = context.am
    now_ms = am.clock.now_ms()
    alerts, problems = models.to_alerts(
        posted,
        now_ms,
        am.config.global_.resolve_timeout_ms,
        context.settings.features.mode,
    )
    context.received(alerts, len(problems), now_ms)
    am.put(alerts)
    if problems:
        raise ApiError("\n".join(problems))
    return Response(200, b"", "")


def _only_json(request: Request) -> None:
    kind = request.header("content-type").partition(";")[0].strip().lower()
    if kind and kind != "application/json":
        raise ApiError(
            f'unsupported media type "{kind}", only [application/json] are allowed', 415, code=415
        )


def _plain_alert(
    alert: Alert, receivers: Iterable[str], status: AlertStatus, muted_by: Sequence[str]
) -> dict[str, Any]:
    state = "suppressed" if muted_by and status.state == "active" else status.state
    plain = {
        "annotations": alert.annotations,
        "endsAt": models.stamp(alert.ends_ms),
        "fingerprint": alert.hex,
        "receivers": [{"name": name} for name in receivers],
        "startsAt": models.stamp(alert.starts_ms),
        "status": {
            "inhibitedBy": status.inhibited_by,
            "mutedBy": list(muted_by),
            "silencedBy": status.silenced_by,
            "state": state,
        },
        "updatedAt": models.stamp(alert.updated_ms),
        "labels": alert.labels,
    }
    if alert.generator_url:
        plain["generatorURL"] = alert.generator_url
    return plain


async def get_alerts(context: Context, request: Request) -> Response:
    """All alerts that pass the filters and have not ended."""
    am = context.am
    matchers = await _matchers(request, context)
    wanted = await _receivers(request, context)
    flags = {name: await _flag(request, name) for name in ("active", "silenced", "inhibited")}
    now_ms, pipeline, root = am.clock.now_ms(), am.running.pipeline, am.running.root
    muted: dict[int, list[str]] = {}
    found = []
    for i, alert in enumerate(sorted(am.alerts, key=lambda each: each.fingerprint)):
        if i % _EVERY == _EVERY - 1:
            await asyncio.sleep(0)
        if alert.resolved_at(now_ms) or not _match(matchers, alert):
            continue
        routes = root.match(alert.labels)
        receivers = [route.options.receiver for route in routes]
        if not any(map(wanted, receivers)):
            continue
        status = am.status(alert)
        if not _shown(status, flags):
            continue
        intervals: list[str] = []
        for route in routes:
            if id(route) not in muted:
                muted[id(route)] = pipeline.muted_by(route.options, now_ms)
            intervals += [name for name in muted[id(route)] if name not in intervals]
        found.append(_plain_alert(alert, receivers, status, intervals))
    return answer(found)


def _shown(status: AlertStatus, flags: dict[str, bool]) -> bool:
    if status.state == "active" and not flags["active"]:
        return False
    if status.silenced_by and not flags["silenced"]:
        return False
    return not (status.inhibited_by and not flags["inhibited"])


async def get_groups(context: Context, request: Request) -> Response:
    """All groups with their alerts that pass the filters."""
    am = context.am
    matchers = await _matchers(request, context)
    wanted = await _receivers(request, context)
    flags = {name: await _flag(request, name) for name in ("active", "silenced", "inhibited")}
    with_muted = await _flag(request, "muted")
    now_ms, pipeline, root = am.clock.now_ms(), am.running.pipeline, am.running.root
    groups = []
    for group in list(am.running.dispatcher.groups()):
        options = group.route.options
        if not wanted(options.receiver):
            continue
        muted_by = pipeline.muted_by(options, now_ms)
        if muted_by and not with_muted:
            continue
        alerts = []
        for alert in list(group.alerts.values()):
            if alert.resolved_at(now_ms) or not _match(matchers, alert):
                continue
            status = am.status(alert)
            if _shown(status, flags):
                receivers = [route.options.receiver for route in root.match(alert.labels)]
                alerts.append(_plain_alert(alert, receivers, status, muted_by))
        if alerts:
            alerts.sort(key=lambda each: each["fingerprint"])
            receiver = {"name": options.receiver}
            plain: dict[str, Any] = {"alerts": alerts, "labels": group.labels}
            groups.append({**plain, "receiver": receiver, "routeLabels": {}})
        await asyncio.sleep(0)
    groups.sort(key=lambda each: (sorted(each["labels"].items()), each["receiver"]["name"]))
    return answer(groups)


async def get_receivers(context: Context, request: Request) -> Response:
    """All receivers, in the order of the configuration."""
    wanted = await _receivers(request, context)
    return answer(
        [
            {"labels": dict(each.labels), "name": each.name}
            for each in context.am.config.receivers
            if wanted(each.name)
        ]
    )


def plain_silence(silence: Silence, now_ms: int) -> dict[str, Any]:
    """A silence as the API shows it."""
    return {
        "id": silence.id,
        "status": {"state": silence.state(now_ms)},
        "updatedAt": models.stamp(silence.updated_ms),
        "annotations": dict(silence.annotations),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": models.stamp(silence.ends_ms),
        "matchers": [models.plain_matcher(matcher) for matcher in silence.matchers],
        "startsAt": models.stamp(silence.starts_ms),
    }


async def get_silences(context: Context, request: Request) -> Response:
    """All silences that have the asked-for matchers and states."""
    wanted = await _matchers(request, context)
    states = {name: await _flag(request, name) for name in ("active", "pending", "expired")}
    now_ms = context.am.clock.now_ms()

    def found() -> list[Silence]:
        chosen = (
            silence
            for silence in everything
            if states[silence.state(now_ms)] and all(m in silence.matchers for m in wanted)
        )
        return listing(chosen, now_ms)

    if not any(states.values()):
        return answer([])
    everything = list(context.am.silences)
    # Many are looked through in a thread, and sent as they are written.
    many = len(everything) > _EVERY
    chosen = await asyncio.to_thread(found) if many else found()
    if len(chosen) <= _EVERY:
        return answer([plain_silence(each, now_ms) for each in chosen])
    return Response(200, _json_in_parts(chosen, now_ms), JSON, threaded=True)


def _json_in_parts(silences: list[Silence], now_ms: int) -> Iterator[bytes]:
    yield b"["
    for start in range(0, len(silences), _EVERY):
        shown = [plain_silence(each, now_ms) for each in silences[start : start + _EVERY]]
        yield (b"," if start else b"") + msgspec.json.encode(shown)[1:-1]
    yield b"]\n"


async def post_silence(context: Context, request: Request) -> Response:
    """Create or change a silence."""
    _only_json(request)
    am = context.am
    posted = models.decode_silence(await request.body(MAX_BYTES))
    silence = models.to_silence(posted, am.clock.now_ms())
    try:
        silence_id = await context.changes.set(silence)
    except SilenceNotFound:
        raise ApiError("silence not found", 404) from None
    except (InvalidSilence, TooManySilences) as error:
        raise ApiError(str(error)) from None
    except StorageError as error:
        raise ApiError(f"the silence was not created: {error}", 500) from None
    return answer({"silenceID": silence_id})


def _silence_id(request: Request) -> str:
    given = request.path_args["silenceID"]
    try:
        return str(uuid.UUID(given)) if len(given) == 36 else _refuse_id(given)
    except ValueError:
        return _refuse_id(given)


def _refuse_id(given: str) -> str:
    raise schema_error(f'silenceID in path must be of type uuid: "{given}"', 601)


async def get_silence(context: Context, request: Request) -> Response:
    """One silence."""
    try:
        silence = context.am.silences.get(_silence_id(request))
    except SilenceNotFound:
        return Response(404, b"", "")
    return answer(plain_silence(silence, context.am.clock.now_ms()))


async def delete_silence(context: Context, request: Request) -> Response:
    """End a silence."""
    try:
        await context.changes.expire(_silence_id(request))
    except SilenceNotFound:
        return Response(404, b"", "")
    except StorageError as error:
        raise ApiError(f"the silence was not ended: {error}", 500) from None
    return Response(200, b"", "")


async def get_status(context: Context, _request: Request) -> Response:
    """Cluster, version, configuration, uptime."""
    return answer(
        {
            "cluster": context.cluster.status(),
            "config": {"original": context.am.config.to_yaml()},
            "uptime": models.stamp(context.started_ms),
            "versionInfo": context.version_info(),
        }
    )

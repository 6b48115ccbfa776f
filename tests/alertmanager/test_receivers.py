"""Receivers, one at a time: what the comparison with the original can't reach."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from promlab.alertmanager.alerts import Alert, fingerprint
from promlab.alertmanager.config import load_text
from promlab.alertmanager.notify.notice import Group, Notice
from promlab.alertmanager.notify.templates import Templates
from promlab.alertmanager.receivers.base import Notifier, cut, cut_bytes
from promlab.alertmanager.receivers.client import SessionClient
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.alertmanager.receivers.incidentio import MAX_BYTES, fitted
from promlab.alertmanager.receivers.pagerduty import PagerdutyNotifier
from promlab.alertmanager.receivers.pushover import PushoverNotifier
from promlab.config.http_client import HttpClientConfig
from tests.alertmanager.alertmanager_process import Call, Reply, Sink, sink
from tests.moto_aws import moto_server

NOW_MS = 1_800_000_000_000
TEMPLATES = Templates()


def alert(*, ended: bool = False, **labels: str) -> Alert:
    found = {"alertname": "Down", **labels}
    ends_ms = NOW_MS - 1000 if ended else NOW_MS + 60_000
    return Alert(
        found, {"summary": "it is <down>"}, NOW_MS - 60_000, ends_ms, NOW_MS, "http://p/g",
        fingerprint=fingerprint(found),
    )  # fmt: skip


def notice(*alerts: Alert, store: dict[str, Any] | None = None) -> Notice:
    group = Group('{}:{alertname="Down"}', {"alertname": "Down"}, "team", 3_600_000, NOW_MS)
    found = alerts or (alert(),)
    return Notice(
        group, found, "first notification", "http://am", TEMPLATES, {} if store is None else store
    )


def config(kind: str, text: str, base: str = "") -> Any:
    """One integration's configuration."""
    whole = load_text(
        f"global: {{{base}}}\nroute: {{receiver: a}}\n"
        f"receivers: [{{name: a, {kind}_configs: [{text}]}}]\n"
    )
    return next(section for _, _, section in whole.receivers[0].integrations())


def send(make: Callable[[Any], Notifier], *notices: Notice) -> None:
    async def work() -> None:
        client = SessionClient(HttpClientConfig())
        notifier = make(client)
        try:
            for each in notices:
                await notifier.notify(each)
        finally:
            await client.close()

    asyncio.run(work())


def answering(*replies: Reply) -> Callable[[Call], Reply]:
    left = list(replies)
    return lambda call: left.pop(0) if len(left) > 1 else left[0]


def test_pushover() -> None:
    with sink() as fake:
        section = config("pushover", "{user_key: u, token: t, sound: s, ttl: 5m, html: true}")
        send(lambda client: PushoverNotifier(section, client, fake.url), notice())
    form = {k: v[0] for k, v in parse_qs(fake.calls[0].body.decode()).items()}
    assert form.pop("timestamp").isdigit()
    assert "it is &lt;down&gt;" in form.pop("message")
    assert form == {
        "token": "t", "user": "u", "title": "[FIRING:1] Down ", "priority": "2", "retry": "60",
        "expire": "3600", "sound": "s", "ttl": "300", "html": "1",
        "url": "http://am/#/alerts?receiver=team",
    }  # fmt: skip


def test_slack_updates_its_message() -> None:
    said = json.dumps({"ok": True, "ts": "12.5", "channel": "C1"}).encode()
    with sink(lambda call: Reply(body=said)) as fake:
        section = config(
            "slack", f"{{app_token: t, app_url: '{fake.url}/api/chat.postMessage', channel: c, "
            "update_message: true}",
        )  # fmt: skip
        first = notice()
        send(section.notifier, first, notice(store=first.store))
    assert [call.path for call in fake.calls] == ["/api/chat.postMessage", "/api/chat.update"]
    assert first.store == {"ts": "12.5", "channel": "C1"}
    assert (fake.calls[1].json["ts"], fake.calls[1].json["channel"]) == ("12.5", "C1")
    assert fake.calls[0].headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(body=b'{"ok": false, "error": "channel_not_found"}'), "channel_not_found"),
        (Reply(body=b"no_service", content_type="text/plain"), "no_service"),
    ],
)
def test_slack_says_no_with_status_200(reply: Reply, message: str) -> None:
    with sink(lambda call: reply) as fake:
        section = config("slack", f"{{api_url: '{fake.url}/x', channel: c}}")
        with pytest.raises(NotifyError, match=message) as raised:
            send(section.notifier, notice())
    assert not raised.value.retry


def test_pagerduty_v1() -> None:
    with sink() as fake:
        section = config("pagerduty", "{service_key: k}")
        send(
            lambda client: PagerdutyNotifier(section, client, fake.url),
            notice(),
            notice(alert(ended=True)),
        )
    first, second = (call.json for call in fake.calls)
    assert (first["event_type"], second["event_type"]) == ("trigger", "resolve")
    assert first["service_key"] == "k"
    assert first["incident_key"] == second["incident_key"]
    assert first["client"] == "Alertmanager"
    assert "client" not in second


def test_pagerduty_leaves_large_details_out() -> None:
    with sink(lambda call: Reply(202)) as fake:
        section = config("pagerduty", f"{{routing_key: k, url: '{fake.url}/'}}")
        send(section.notifier, notice(*(alert(i=str(i), x="y" * 1000) for i in range(600))))
    details = fake.calls[0].json["payload"]["custom_details"]
    assert list(details) == ["error"]
    assert len(fake.calls[0].body) < 10_000


def test_jira_moves_issues() -> None:
    state = {"status": "new"}

    def answer(call: Call) -> Reply:
        if "search" in call.path:
            status = {"statusCategory": {"key": state["status"]}}
            issues = [{"key": "P-7", "fields": {"status": status}}]
            return Reply(body=json.dumps({"issues": issues}).encode())
        if call.method == "GET":
            found = [{"id": "31", "name": "Done"}, {"id": "11", "name": "To Do"}]
            return Reply(body=json.dumps({"transitions": found}).encode())
        return Reply(204, b"")

    with sink(answer) as fake:
        section = config(
            "jira", f"{{api_url: '{fake.url}/rest', project: P, issue_type: Bug, api_type: cloud, "
            "resolve_transition: Done, reopen_transition: To Do, description: text}",
        )  # fmt: skip
        send(section.notifier, notice(alert(ended=True)))
        state["status"] = "done"
        send(section.notifier, notice())
    moves = [call.json["transition"]["id"] for call in fake.calls
             if call.path.endswith("transitions") and call.method == "POST"]  # fmt: skip
    assert moves == ["31", "11"]
    (update, *_) = [call.json for call in fake.calls if call.method == "PUT"]
    assert update["fields"]["description"]["type"] == "doc"
    assert fake.calls[0].path == "/rest/search/jql"


def test_jira_without_the_transition() -> None:
    issue = {"key": "P-7", "fields": {"status": {"statusCategory": {"key": "new"}}}}
    body = json.dumps({"issues": [issue], "transitions": []}).encode()
    with sink(lambda call: Reply(body=body)) as fake:
        section = config(
            "jira", f"{{api_url: '{fake.url}', project: P, issue_type: B, resolve_transition: X}}"
        )
        with pytest.raises(NotifyError, match="can't find transition X for issue P-7"):
            send(section.notifier, notice(alert(ended=True)))


def test_wechat_asks_for_a_token_again_when_it_has_expired() -> None:
    codes = [42001, 0]

    def answer(call: Call) -> Reply:
        if "gettoken" in call.path:
            return Reply(body=b'{"access_token": "t"}')
        return Reply(body=json.dumps({"errcode": codes.pop(0)}).encode())

    with sink(answer) as fake:
        section = config("wechat", f"{{api_url: '{fake.url}/', api_secret: s, corp_id: c}}")

        async def work() -> None:
            client = SessionClient(HttpClientConfig())
            notifier = section.notifier(client)
            with pytest.raises(NotifyError) as raised:
                await notifier.notify(notice())
            assert raised.value.retry
            await notifier.notify(notice())
            await client.close()

        asyncio.run(work())
    assert len(fake.to("/gettoken")) == 2


def test_telegram_hides_its_token_in_errors() -> None:
    section = config("telegram", "{api_url: 'http://127.0.0.1:1', bot_token: hunter2, chat_id: 5}")
    with pytest.raises(NotifyError) as raised:
        send(section.notifier, notice())
    assert "hunter2" not in str(raised.value)
    assert raised.value.retry


@pytest.mark.parametrize(
    ("status", "retry", "reason"),
    [(400, False, "clientError"), (401, False, "authError"), (429, True, "rateLimited"),
     (500, True, "serverError"), (503, True, "serverError")],
)  # fmt: skip
def test_what_is_tried_again(status: int, retry: bool, reason: str) -> None:
    with sink(lambda call: Reply(status, b"because")) as fake:
        section = config("discord", f"{{webhook_url: '{fake.url}/x'}}")
        with pytest.raises(
            NotifyError, match=f"unexpected status code {status}: because"
        ) as raised:
            send(section.notifier, notice())
    assert (raised.value.retry, raised.value.reason) == (retry, reason)


def test_redirects_are_followed_unless_told_not_to() -> None:
    def answer(call: Call) -> Reply:
        return Reply(307) if call.path == "/a" else Reply()

    with sink(answer) as fake:
        section = config("webhook", f"{{url: '{fake.url}/a', http_config: "
                         "{follow_redirects: false}}")  # fmt: skip
        with pytest.raises(NotifyError, match="307"):
            send_with(section, fake)


def send_with(section: Any, _fake: Sink) -> None:
    async def work() -> None:
        client = SessionClient(section.http_config)
        try:
            await section.notifier(client).notify(notice())
        finally:
            await client.close()

    asyncio.run(work())


def test_credentials_and_headers() -> None:
    with sink() as fake:
        section = config(
            "webhook",
            f"{{url: '{fake.url}/a', http_config: {{basic_auth: {{username: u, password: p}}, "
            "http_headers: {X-Team: {values: [t]}}}}",
        )
        send_with(section, fake)
    headers = fake.calls[0].headers
    assert headers["Authorization"] == "Basic dTpw"
    assert headers["X-Team"] == "t"


def test_files_hold_secrets(tmp_path: Any) -> None:
    (tmp_path / "url").write_text("http://127.0.0.1:1/secret\n")
    section = config("webhook", f"{{url_file: {tmp_path}/url}}")
    with pytest.raises(NotifyError, match="POST failed"):
        send(section.notifier, notice())
    section = config("webhook", f"{{url_file: {tmp_path}/nothing}}")
    with pytest.raises(NotifyError, match="unable to read file"):
        send(section.notifier, notice())


def test_a_template_that_fails_leaves_its_error_in_the_text() -> None:
    with sink() as fake:
        section = config(
            "discord",
            f"{{webhook_url: '{fake.url}/x', title: 'T {{{{ .Nope }}}}', message: fine}}",
        )
        found = notice()
        send(section.notifier, found)
    (embed,) = fake.calls[0].json["embeds"]
    assert embed["title"].startswith("<error expanding template: ")
    assert "can't evaluate field Nope" in embed["title"]
    assert embed["description"] == "fine"
    assert len(found.problems) == 1


def test_a_template_of_an_address_that_fails_sends_nothing() -> None:
    with sink() as fake:
        section = config("slack", f"{{api_url: '{fake.url}/x', channel: '{{{{ .Nope }}}}'}}")
        with pytest.raises(NotifyError, match="template of an address failed"):
            send(section.notifier, notice())
    assert fake.calls == []


def test_incidentio_makes_large_bodies_fit() -> None:
    alerts = [
        {"labels": {"alertname": "A", "long": "x" * 1000}, "annotations": {"n": "y" * 1000}}
        for _ in range(1000)
    ]
    found = fitted({"alerts": alerts, "truncatedAlerts": 0})
    assert len(json.dumps(found)) <= MAX_BYTES
    assert found["alerts"][0]["labels"] == {"alertname": "A"}


def test_cutting() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdef", 5) == "abcd…"
    assert cut("abcdef", 2) == "ab"
    assert cut_bytes("ééé", 6) == "ééé"
    assert cut_bytes("éééé", 7) == "éé…"
    assert len(cut_bytes("é" * 100, 7).encode()) <= 7


def test_sns_signs_what_moto_takes() -> None:
    """A topic of a simulated AWS gets the message, with attributes; a FIFO topic gets its keys."""
    boto3 = pytest.importorskip("boto3")
    with moto_server() as url:
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "eu-west-1"}
        sns = boto3.client("sns", endpoint_url=url, **keys)
        sqs = boto3.client("sqs", endpoint_url=url, **keys)
        topic = sns.create_topic(Name="t")["TopicArn"]
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
        section = config(
            "sns",
            f"{{api_url: '{url}', topic_arn: '{topic}', attributes: {{team: '{{{{ .Status }}}}'}}, "
            "sigv4: {region: eu-west-1, access_key: a, secret_key: b}}",
        )
        send(section.notifier, notice())
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(message["Body"])
    assert body["Subject"] == "[FIRING:1] Down "
    assert "it is <down>" in body["Message"]
    assert body["MessageAttributes"]["team"]["Value"] == "firing"
    fifo = config("sns", "{topic_arn: 'arn:x.fifo', sigv4: {region: r}}")
    form = fifo.notifier(None).form(notice())
    assert form["MessageGroupId"] == notice().key_hash

"""The same alerts through the real Alertmanager and ours: every receiver gets the same."""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiosmtpd.controller import Controller

from tests.alertmanager.alertmanager_process import (
    Call,
    Reply,
    alertmanager,
    eventually,
    free_port,
    sink,
    stamp,
)

pytestmark = [pytest.mark.peers, pytest.mark.slow]

CONFIG = (Path(__file__).parent / "receivers.yml").read_text(encoding="utf-8")
ALERTS: list[dict[str, Any]] = [
    {
        "labels": {"alertname": "Disk <full>", "instance": "a:9100", "job": "node",
                   "severity": "critical"},
        "annotations": {"summary": "Disk & co", "description": "line 1\nline 2"},
        "generatorURL": "http://prom/graph?g0.expr=up&g0.tab=1",
    },
    {
        "labels": {"alertname": "Disk <full>", "instance": "b:9100", "job": "node",
                   "severity": "critical", "zone": "é"},
        "annotations": {},
    },
]  # fmt: skip
_STAMP = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z")


def reply(call: Call) -> Reply:
    """What the services say."""
    path = call.path
    if path.endswith("/slack"):
        return Reply(body=b"ok", content_type="text/plain")
    if "gettoken" in path:
        return Reply(body=b'{"access_token":"tok","errcode":0}')
    if "wechat" in path:
        return Reply(body=b'{"errcode":0,"errmsg":"ok"}')
    if "/search" in path:
        rich = "/rich/" in path
        issue = {"key": "P-1", "fields": {"status": {"statusCategory": {"key": "new"}}}}
        return Reply(body=json.dumps({"issues": [issue] if rich else []}).encode())
    if path.endswith("/transitions") and call.method == "GET":
        return Reply(body=b'{"transitions":[{"id":"31","name":"Done"},{"id":"11","name":"Open"}]}')
    if path.endswith("/issue"):
        return Reply(201, b'{"id":"1","key":"P-1"}')
    if "chat.postMessage" in path:
        return Reply(body=b'{"success":true}')
    if "sendMessage" in path:
        return Reply(body=b'{"ok":true,"result":{"message_id":1,"chat":{"id":5}}}')
    if "enqueue" in path or path.endswith("/pd"):
        return Reply(202)
    if "sns" in path:
        return Reply(
            body=b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
            b"<PublishResult><MessageId>94f20ce6-13c5-43a0-9a9e-ca52d816e90b</MessageId>"
            b"</PublishResult></PublishResponse>",
            content_type="text/xml",
        )
    return Reply()


class Mails:
    def __init__(self) -> None:
        self.found: list[tuple[str, list[str], str]] = []
        self.lock = threading.Lock()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        with self.lock:
            self.found.append((envelope.mail_from, envelope.rcpt_tos, envelope.content.decode()))
        return "250 ok"


def shown_mail(raw: str) -> dict[str, Any]:
    """What a reader of a mail sees, and the headers that matter."""
    mail = email.message_from_string(raw, policy=email.policy.default)
    parts = {}
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            text = part.get_content()
            if part.get_content_subtype() == "html":
                links = re.findall(r'href="([^"]*)"', text)
                text = re.sub(r"<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
                text = re.sub(r"<[^>]+>", " ", text)
                parts["links"] = sorted(set(map(html.unescape, links)))
            parts[part.get_content_type()] = " ".join(html.unescape(text).split())
    headers = {k: str(mail[k]) for k in ("Subject", "From", "To", "X-Team") if mail[k]}
    return {**headers, **parts}


def shown_call(call: Call) -> Any:
    """What a request says, in a form in which two can be compared."""
    kind = call.headers.get("Content-Type", "")
    body: Any = call.body.decode()
    if kind.startswith("application/json") and body:
        body = call.json
    elif "urlencoded" in kind:
        body = dict(parse_qsl(body))
    kept = ("Authorization", "X-Auth-Token", "X-User-Id")
    headers = {k: v for k, v in call.headers.items() if k in kept and "AWS4" not in v}
    signed = "AWS4-HMAC-SHA256" in call.headers.get("Authorization", "")
    return {"body": body, "headers": headers, "signed": signed}


def exchange(folder: Path, real: Path | None) -> Iterator[dict[str, list[Any]]]:
    """What all receivers got of: two alerts; one of them ended; both ended."""
    mails = Mails()
    smtp = Controller(mails, hostname="127.0.0.1", port=free_port())
    smtp.start()
    try:
        with sink(reply) as fake:
            config = CONFIG.replace("FAKE", fake.url).replace("SMTP", f"127.0.0.1:{smtp.port}")
            flags = ("--web.external-url=http://am.example.org",)
            with alertmanager(folder, config, *flags, real=real) as am:
                for ended in (0, 1, 2):
                    fake.calls.clear()
                    mails.found.clear()
                    alerts = [
                        {**alert, "endsAt": stamp(time.time())} if i < ended else alert
                        for i, alert in enumerate(ALERTS)
                    ]
                    am.post_alerts(*alerts)
                    # Everybody was told: the receivers with the most to do come last.
                    eventually(lambda: len(mails.found) >= 2 and fake.to("/sns"), am.log.read_text)
                    settled = -1
                    while settled != len(fake.calls) + len(mails.found):
                        settled = len(fake.calls) + len(mails.found)
                        time.sleep(2)
                    found: dict[str, list[Any]] = {}
                    for call in fake.calls:
                        found.setdefault(f"{call.method} {call.path}", []).append(shown_call(call))
                    for sender, to, raw in mails.found:
                        found.setdefault(f"mail {sender} {to}", []).append(shown_mail(raw))
                    yield found
    finally:
        smtp.stop()


def test_every_receiver_gets_the_same(peers: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as both:
        running = both.submit(lambda: list(exchange(tmp_path / "theirs", peers)))
        ours = list(exchange(tmp_path / "ours", None))
        theirs = running.result()
    assert len(theirs[0]) >= 40
    wrong: dict[str, Any] = {}
    for step, (a, b) in enumerate(zip(theirs, ours, strict=True)):
        for key in sorted(set(a) | set(b)):
            if distinct(a, key) != distinct(b, key):
                wrong[f"{step} {key}"] = (distinct(a, key), distinct(b, key))
    assert not wrong, "\n\n".join(f"{k}\n  real {v[0]}\n  ours {v[1]}" for k, v in wrong.items())


def distinct(found: dict[str, list[Any]], key: str) -> list[Any]:
    """What was sent to one place, each message once."""
    # The real one writes an empty URL as null into PagerDuty's details, and as "" elsewhere.
    shown = {json.dumps(each, sort_keys=True) for each in found.get(key, [])}
    plain = {
        _STAMP.sub("then", each.replace('"generatorURL": null', '"generatorURL": ""'))
        for each in shown
    }
    return [json.loads(each) for each in sorted(plain)]

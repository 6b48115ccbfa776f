"""Email: by SMTP, with STARTTLS or TLS from the start, with a login where one is wanted."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, getaddresses, make_msgid
from typing import TYPE_CHECKING, Self

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.config.global_ import host_port
from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    path,
    secret,
    secret_or_file,
    template,
)
from promlab.alertmanager.receivers.client import Client
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.http_client import TLSConfig
from promlab.config.kinds import Kind
from promlab.config.secret import Secret
from promlab.config.section import Section, maybe, opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

_SUBJECT = '{{ template "email.default.subject" . }}'
_TIMEOUT_S = 30.0
_BOOLEAN: Kind[bool | None] = own.maybe_kind(kinds.boolean)


def _headers(at: At) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, (key_at, value_at) in at.entries().items():
        title = "-".join(part.capitalize() for part in name.split("-"))
        if title in found:
            key_at.fail(f"duplicate header {title!r} in email config")
        if not name or not all(33 <= ord(char) <= 126 and char != ":" for char in name):
            key_at.fail(f"{name!r} is not a header name")
        found[title] = value_at.text()
    return found


_HEADERS: Kind[Mapping[str, str]] = Kind(_headers, lambda found: dict(sorted(found.items())), {})


@record
class ThreadingConfig(Section):
    """Whether mail programs show the mails of a group as one conversation."""

    enabled: bool = opt(kinds.boolean, False)
    thread_by_date: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """A new conversation every day, or never."""
        if self.enabled and self.thread_by_date not in ("none", "daily"):
            at.fail("threading.thread_by_date must be either 'none' or 'daily'")


@record
class EmailConfig(Integration):
    """email_configs."""

    http_config: None = None  # mail needs none: the field is unknown here
    send_resolved: bool = opt(kinds.boolean, False, always=True)
    to: str = opt(kinds.string, "")
    from_: str = opt(kinds.string, "", key="from")
    hello: str = opt(kinds.string, "")
    smarthost: str = opt(host_port, "")
    auth_username: str = opt(kinds.string, "")
    auth_password: Secret = secret()
    auth_password_file: str = path()
    auth_secret: Secret = secret()
    auth_secret_file: str = path()
    auth_identity: str = opt(kinds.string, "")
    headers: Mapping[str, str] = opt(_HEADERS, {})
    html: str = template('{{ template "email.default.html" . }}')
    text: str = opt(kinds.string, "")
    require_tls: bool | None = opt(_BOOLEAN, None)
    tls_config: TLSConfig | None = opt(maybe(TLSConfig), None)
    force_implicit_tls: bool | None = opt(_BOOLEAN, None)
    threading: ThreadingConfig | None = opt(maybe(ThreadingConfig), None)

    def check(self, at: At) -> None:
        """Somebody to write to."""
        if not self.to:
            at.fail("missing to address in email config")
        if self.threading is not None and self.threading.enabled:
            for name in ("References", "In-Reply-To"):
                if name in self.headers:
                    at.get("headers").fail(
                        f"conflicting configuration: threading.enabled conflicts with custom "
                        f"{name} header"
                    )

    def settled(self, base: GlobalConfig, at: At) -> Self:
        """The same with what `global` gives. Raises ConfigError."""
        smarthost = self.smarthost or base.smtp_smarthost
        sender = self.from_ or base.smtp_from
        if not smarthost:
            at.fail("no global SMTP smarthost set")
        if not sender:
            at.fail("no global SMTP from set")
        password = self.auth_password or self.auth_password_file
        secret_ = self.auth_secret or self.auth_secret_file
        return replace(
            self,
            smarthost=smarthost,
            from_=sender,
            hello=self.hello or base.smtp_hello,
            auth_username=self.auth_username or base.smtp_auth_username,
            auth_password=self.auth_password if password else base.smtp_auth_password,
            auth_password_file=self.auth_password_file
            if password
            else base.smtp_auth_password_file,
            auth_secret=self.auth_secret if secret_ else base.smtp_auth_secret,
            auth_secret_file=self.auth_secret_file if secret_ else base.smtp_auth_secret_file,
            auth_identity=self.auth_identity or base.smtp_auth_identity,
            require_tls=base.smtp_require_tls if self.require_tls is None else self.require_tls,
            tls_config=base.smtp_tls_config if self.tls_config is None else self.tls_config,
            force_implicit_tls=base.smtp_force_implicit_tls
            if self.force_implicit_tls is None
            else self.force_implicit_tls,
            headers={"From": sender, "Subject": _SUBJECT, "To": self.to, **self.headers},
        )

    def notifier(self, client: Client) -> Notifier:
        """Sends mail."""
        return EmailNotifier(self, client)


class EmailNotifier(Notifier):
    """Sends mail."""

    def __init__(self, config: EmailConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Send once."""
        config = self._config
        message = self.message(notice)
        sender = _addresses(notice.exact(config.from_), "from")
        if len(sender) != 1:
            raise NotifyError(f"must be exactly one 'from' address (got: {len(sender)})")
        receivers = _addresses(notice.exact(config.to), "to")
        password = await secret_or_file(config.auth_password, config.auth_password_file)
        shared = await secret_or_file(config.auth_secret, config.auth_secret_file)
        raw = message.as_bytes(policy=SMTP_POLICY)
        try:
            await asyncio.to_thread(self._send, sender[0], receivers, raw, password, shared)
        except smtplib.SMTPResponseException as error:
            retry = 400 <= error.smtp_code < 500
            text = error.smtp_error
            shown = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
            raise NotifyError(f"SMTP: {error.smtp_code} {shown}", retry=retry) from None
        except (smtplib.SMTPException, OSError, ssl.SSLError) as error:
            raise NotifyError(f"SMTP: {error}", retry=True) from None

    def _send(
        self, sender: str, receivers: list[str], raw: bytes, password: str, shared: str
    ) -> None:
        from promlab.transport.tls import tls_context

        config = self._config
        host, _, port = config.smarthost.rpartition(":")
        host = host.strip("[]")
        context = tls_context(config.tls_config or TLSConfig())
        implicit = port == "465" if config.force_implicit_tls is None else config.force_implicit_tls
        server: smtplib.SMTP
        if implicit:
            server = smtplib.SMTP_SSL(
                host, int(port), config.hello or None, timeout=_TIMEOUT_S, context=context
            )
        else:
            server = smtplib.SMTP(host, int(port), config.hello or None, timeout=_TIMEOUT_S)
        with server:
            server.ehlo()
            if config.require_tls and not implicit:
                if not server.has_extn("starttls"):
                    raise smtplib.SMTPNotSupportedError(
                        f"'require_tls' is true (default) but {config.smarthost} does not "
                        "advertise the STARTTLS extension"
                    )
                server.starttls(context=context)
                server.ehlo()
            _log_in(server, config, password, shared)
            server.sendmail(sender, receivers, raw)

    def message(self, notice: Notice) -> EmailMessage:
        """The mail."""
        config = self._config
        message = EmailMessage()
        for name, value in config.headers.items():
            message[name] = _one_line(notice.text(value))
        if "Message-Id" not in message:
            message["Message-Id"] = make_msgid(domain="promlab")
        if "Date" not in message:
            message["Date"] = format_datetime(datetime.now(UTC))
        if config.threading is not None and config.threading.enabled:
            day = datetime.now(UTC).strftime("%Y-%m-%d")
            suffix = f"-{day}" if config.threading.thread_by_date == "daily" else ""
            thread = f"<alert-{notice.key_hash}{suffix}@alertmanager>"
            message["References"] = message["In-Reply-To"] = thread
        if config.text:
            message.set_content(notice.text(config.text))
        if config.html:
            html = notice.html(config.html)
            if config.text:
                message.add_alternative(html, subtype="html")
            else:
                message.set_content(html, subtype="html")
                message.make_alternative()
        return message


def _log_in(server: smtplib.SMTP, config: EmailConfig, password: str, shared: str) -> None:
    """Show who we are, by the first mechanism that both sides can do."""
    user = config.auth_username
    if not user or not server.has_extn("auth"):
        return
    mechanisms = server.esmtp_features["auth"].upper().split()
    for mechanism in mechanisms:
        if mechanism == "CRAM-MD5" and shared:
            server.user, server.password = user, shared
            server.auth(mechanism, server.auth_cram_md5)
            return
        if mechanism == "PLAIN" and password:
            text = f"{config.auth_identity}\0{user}\0{password}"
            server.auth(mechanism, lambda _challenge=None, shown=text: shown)
            return
        if mechanism == "LOGIN" and password:
            server.user, server.password = user, password
            server.auth(mechanism, server.auth_login)
            return
    raise smtplib.SMTPNotSupportedError(
        f"unknown auth mechanism or missing secret or password: {' '.join(mechanisms)}"
    )


def _addresses(text: str, what: str) -> list[str]:
    found = [address for _, address in getaddresses([text]) if address]
    for address in found:
        try:
            Address(addr_spec=address)
        except (ValueError, IndexError):
            raise NotifyError(f"parse {what!r} addresses: {address!r} is not one") from None
    if not found:
        raise NotifyError(f"parse {what!r} addresses: {text!r} has none")
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())

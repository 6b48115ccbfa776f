"""Amazon SNS: publishes to a topic, a telephone number or an endpoint, signed with SigV4.

Signing and credentials are botocore's, from the extra `aws`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.base import Integration, Notifier, cut, template
from promlab.alertmanager.receivers.client import Client, check
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.config import kinds
from promlab.config.cloud_auth import SigV4
from promlab.config.document import At
from promlab.config.section import opt, record, section

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice

MAX_SUBJECT = 100
MAX_BYTES = 256 * 1024
MAX_SMS_BYTES = 1600
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@record
class SNSConfig(Integration):
    """sns_configs."""

    api_url: str = opt(kinds.url, "")
    sigv4: SigV4 = opt(section(SigV4), SigV4())
    topic_arn: str = opt(kinds.string, "")
    phone_number: str = opt(kinds.string, "")
    target_arn: str = opt(kinds.string, "")
    subject: str = template('{{ template "sns.default.subject" . }}')
    message: str = template('{{ template "sns.default.message" . }}')
    attributes: Mapping[str, str] = opt(own.templates, {})

    def check(self, at: At) -> None:
        """Exactly one place to publish to."""
        if sum(map(bool, (self.topic_arn, self.phone_number, self.target_arn))) != 1:
            at.fail("must provide either a Target ARN, Topic ARN, or Phone Number for SNS config")

    def notifier(self, client: Client) -> Notifier:
        """Publishes."""
        return SNSNotifier(self, client)


class SNSNotifier(Notifier):
    """Publishes messages."""

    def __init__(self, config: SNSConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config
        self._session: Any = None

    async def notify(self, notice: Notice) -> None:
        """Publish once."""
        body = urlencode(self.form(notice)).encode()
        url, headers = await asyncio.to_thread(
            self._signed, notice.exact(self._config.api_url), body
        )
        answer = await self.client.request("POST", url, body=body, headers=headers)
        check(answer, (429,))

    def form(self, notice: Notice) -> dict[str, str]:
        """The parameters of Publish."""
        config = self._config
        places = {
            "TopicArn": notice.exact(config.topic_arn),
            "TargetArn": notice.exact(config.target_arn),
            "PhoneNumber": notice.exact(config.phone_number),
        }
        form = {"Action": "Publish", "Version": "2010-03-31"}
        form |= {name: value for name, value in places.items() if value}
        message, attributes = notice.text(config.message), dict(config.attributes)
        limit = MAX_SMS_BYTES if config.phone_number else MAX_BYTES
        if len(message.encode()) > limit:
            message = message.encode()[:limit].decode("utf-8", "ignore")
            attributes["truncated"] = "true"
        subject = notice.text(config.subject)
        form["Message"] = message
        if subject:
            form["Subject"] = cut(subject, MAX_SUBJECT)
        if places["TopicArn"].endswith(".fifo"):
            form |= {"MessageDeduplicationId": notice.key_hash, "MessageGroupId": notice.key_hash}
        for i, (name, value) in enumerate(sorted(attributes.items()), 1):
            entry = f"MessageAttributes.entry.{i}"
            form[f"{entry}.Name"] = notice.text(name)
            form[f"{entry}.Value.DataType"] = "String"
            form[f"{entry}.Value.StringValue"] = notice.text(value)
        return form

    def _signed(self, url: str, body: bytes) -> tuple[str, dict[str, str]]:
        """URL and headers of a request that AWS takes. Runs in a thread: it may ask for roles."""
        try:
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise NotifyError(
                "SNS needs botocore: install promlab with the extra aws, promlab[aws]"
            ) from None
        # Its debug lines quote what is signed with.
        logging.getLogger("botocore").setLevel(logging.WARNING)
        try:
            session = self._opened()
            region = self._config.sigv4.region or session.get_config_variable("region")
            if not region:
                raise NotifyError("no AWS region: set sigv4.region")
            url = url or f"https://sns.{region}.amazonaws.com"
            request = AWSRequest("POST", url, data=body, headers=dict(_FORM))
            SigV4Auth(self._credentials(session), "sns", region).add_auth(request)
        except (BotoCoreError, ClientError) as error:
            raise NotifyError(f"AWS credentials: {error}", retry=True) from None
        return url, dict(request.headers.items())

    def _opened(self) -> Any:
        if self._session is None:
            from botocore.session import Session

            self._session = Session(profile=self._config.sigv4.profile or None)
        return self._session

    def _credentials(self, session: Any) -> Any:
        from botocore.credentials import Credentials

        sigv4 = self._config.sigv4
        if sigv4.access_key:
            own_ = Credentials(sigv4.access_key, sigv4.secret_key.reveal())
            session.set_credentials(own_.access_key, own_.secret_key)
        found = session.get_credentials()
        if found is None:
            raise NotifyError("no AWS credentials: set sigv4.access_key and secret_key")
        if not sigv4.role_arn:
            return found.get_frozen_credentials()
        sts = session.create_client("sts", region_name=sigv4.region or None)
        role = sts.assume_role(RoleArn=sigv4.role_arn, RoleSessionName="promlab")["Credentials"]
        return Credentials(role["AccessKeyId"], role["SecretAccessKey"], role["SessionToken"])

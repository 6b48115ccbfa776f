"""Your own AWS account, as the EC2 lab's cells see it.

Nothing is asked of AWS here but who you are; what costs money is in the cells.
"""

from __future__ import annotations

from promlab.errors import ServerError
from promlab.lab.ec2.cloud import REGION, Cloud
from promlab.lab.ec2.repository import BUNDLE


class RealCloud(Cloud):
    """Your own AWS account."""

    simulated = False
    repository = BUNDLE  # on the instance's own disk: see `user_data`

    def __init__(self, region: str) -> None:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        super().__init__()
        session = boto3.Session()
        self.region = region or session.region_name or REGION
        if session.get_credentials() is None:
            raise ServerError(
                "there are no AWS credentials: run `aws configure` in a terminal, or set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; promlab.lab.ec2.open() needs none"
            )
        try:
            self.account = str(self.client("sts").get_caller_identity()["Account"])
        except ClientError as error:
            raise ServerError(
                f"AWS does not accept your credentials: {error.response['Error']['Message']}"
            ) from None
        except BotoCoreError as error:
            raise ServerError(f"AWS can't be reached: {error}") from None

    def my_address(self) -> str:
        """Asks Amazon, which sees where a request comes from."""
        import httpx

        try:
            return httpx.get("https://checkip.amazonaws.com", timeout=10).text.strip() + "/32"
        except httpx.HTTPError as error:
            raise ServerError(f"your own address can't be found out: {error}") from None

    def __repr__(self) -> str:
        return f"AWS account {self.account} in {self.region}: instances cost money until cleanup()"

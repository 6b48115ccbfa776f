"""moto's stand-in for AWS, as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "s3cret"}


@contextmanager
def moto_server() -> Iterator[str]:
    """Its URL. All servers of a process share one memory."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()

"""Connections: how many, how long, how large their headers."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))  # its helpers

from fake_server import make_context
from running import until
from threaded import threaded

from promlab.server.settings import Settings

SETTINGS = Settings(route_prefix="")
ASK = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"

FORM = b"POST /api/v1/query HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"


def connected(address: str) -> socket.socket:
    host, port = address.split(":")
    found = socket.create_connection((host, int(port)))
    found.settimeout(30)
    return found


def test_one_connection_too_many_waits_for_its_turn() -> None:
    with threaded(lambda: make_context(SETTINGS), max_connections=2) as (address, _):
        held = [connected(address) for _ in range(2)]
        for each in held:
            each.sendall(ASK)
            assert each.recv(100).startswith(b"HTTP/1.1 200")
        with connected(address) as third:
            third.sendall(ASK)
            third.settimeout(0.3)
            try:
                early = third.recv(100)
            except TimeoutError:
                early = b""
            assert early == b""
            held.pop().close()
            third.settimeout(30)
            assert third.recv(100).startswith(b"HTTP/1.1 200")
        held.pop().close()


def test_who_does_not_say_what_it_wants_is_cut_off() -> None:
    with threaded(lambda: make_context(SETTINGS), read_timeout_s=0.3) as (address, _):
        for said in (
            b"",
            b"GET / HTT",
            FORM + b"Content-Length: 9\r\n\r\nq",
        ):
            with connected(address) as slow:
                slow.sendall(said)
                try:
                    rest = slow.recv(100)
                except ConnectionResetError:
                    rest = b""
                assert rest == b""


def test_headers_are_bounded() -> None:
    with threaded(lambda: make_context(SETTINGS)) as (address, _), connected(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        try:
            for _ in range(64):
                client.sendall(b"X-More: " + b"a" * 65_000 + b"\r\n")
            answer = client.recv(100)
        except OSError:
            pass  # cut off while it was still talking
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    with threaded(lambda: make_context(SETTINGS), max_connections=1) as (address, _):
        for _ in range(20):
            with connected(address) as client:
                client.sendall(ASK[:20])
        with connected(address) as client:

            def answered() -> bool:
                client.sendall(ASK)
                return client.recv(100).startswith(b"HTTP/1.1 200")

            until(answered, "an answer")

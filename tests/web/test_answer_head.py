"""Status line and headers of an answer."""

from __future__ import annotations

import pytest

from promlab.web.answer_head import answer_head


def test_status_and_headers() -> None:
    assert answer_head(200, ((b"a", b"1"), (b"b", b"2: 3"))) == (
        b"HTTP/1.1 200 OK\r\na: 1\r\nb: 2: 3\r\n\r\n"
    )
    assert answer_head(499, ()) == b"HTTP/1.1 499 \r\n\r\n"


@pytest.mark.parametrize("value", [b"1\r\nx: y", b"1\n", b"\r", b"1\r\n"])
def test_no_header_has_more_than_one_line(value: bytes) -> None:
    with pytest.raises(ValueError, match="more than one line"):
        answer_head(200, ((b"a", value), (b"b", b"2")))

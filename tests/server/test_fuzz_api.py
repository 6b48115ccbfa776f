"""Parameters that nobody would think of: each answer is one that the API's document knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_contract import ELSEWHERE
from test_contract import context as context_fixture
from threaded import threaded

from promlab.server.settings import Settings

SETTINGS = Settings(route_prefix="", features=["search-api"], enable_admin=True, max_samples=1000)
# Where the document is at odds with what a server sends: a string's time is a number.
QUIET = settings(
    max_examples=5,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    make = context_fixture.__wrapped__  # type: ignore[attr-defined]  # the plain function
    with threaded(lambda: make(SETTINGS)) as (found, _):
        yield found


@pytest.fixture(scope="module")
def operations(shared: Any) -> list[tuple[str, str, dict[str, Any]]]:
    document = yaml.safe_load((shared / "contract" / "openapi_3.1.yaml").read_text())
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        if path not in ELSEWHERE | {"/write"}
        for method, operation in methods.items()
    ]


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of the tool that makes the requests
def test_requests_made_from_the_document(shared: Any, address: str) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis.checks import not_a_server_error

    document = yaml.safe_load((shared / "contract" / "openapi_3.1.yaml").read_text())
    for path in ELSEWHERE | {"/write"}:
        document["paths"].pop(path, None)
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=f"http://{address}/api/v1")
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @QUIET
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            nonlocal tried
            tried += 1
            answer = case.call()
            if answer.status_code != 503:  # a timeout that the request asked for
                case.validate_response(answer, checks=[not_a_server_error])
            if answer.headers.get("content-type") == "application/json":
                assert answer.json()["status"] == ("success" if answer.ok else "error")

        run()
    assert tried > 150


WEIRD = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "",
            "-1",
            "1e999",
            "NaN",
            "0x10",
            "1_0",
            "9" * 40,
            "{}",
            "[",
            "\x00",
            "up[1d:1ns]",
            "\ud7ff",
        ]
    ),
    st.sampled_from(["up", "rate(up[1m])", "1", "2026-01-01T00:00:00Z", "1m", "true", "all"]),
)


@pytest.mark.shared
def test_any_text_for_any_parameter(
    address: str, operations: list[tuple[str, str, dict[str, Any]]], valid: Any
) -> None:
    client = httpx.Client(base_url=f"http://{address}/api/v1")
    names = sorted(
        {each["name"] for _, _, o in operations for each in o.get("parameters", [])} - {"name"}
    )

    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        which=st.integers(0, len(operations) - 1),
        params=st.dictionaries(st.sampled_from(names), WEIRD, max_size=5),
        as_form=st.booleans(),
    )
    def run(which: int, params: dict[str, str], as_form: bool) -> None:
        method, path, _ = operations[which]
        body = as_form and method == "post"
        where = {"data": params} if body else {"params": params}
        url = path.replace("{name}", "job")
        answer = client.request(method.upper(), url, **where)  # type: ignore[arg-type]
        assert answer.status_code in (200, 204, 400, 404, 422, 503), answer.text
        if answer.headers.get("content-type") == "application/json":
            found = answer.json()
            if found.get("data", {}) and "string" in str(found["data"])[:40]:
                return
            valid(answer, path)

    run()

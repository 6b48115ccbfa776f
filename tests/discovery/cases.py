"""All cases, by mechanism."""

from __future__ import annotations

import cases_docker
import cases_hosters
import cases_kubernetes
import cases_registries
from case import Case

HTTP = [{"targets": ["a:1", "b:2"], "labels": {"dc": "x", "empty": ""}}, {"targets": ["[::1]:3"]}]
CASES = [
    Case("http", "http_sd_configs: [{url: 'BASE/sd?a=b'}]", {"GET /sd": HTTP}, 3),
    *cases_docker.CASES,
    *cases_kubernetes.CASES,
    *cases_registries.CASES,
    *cases_hosters.CASES,
]

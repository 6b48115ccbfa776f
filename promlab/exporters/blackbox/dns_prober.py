"""A DNS question. Needs dnspython, which the extra `exporters` brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promlab.errors import ConfigError
from promlab.exporters.blackbox.modules import DNSProbe, Module, Records
from promlab.exporters.blackbox.probe import Probe, ProbeFailed, found_in, split_host_port

_PORT = 53


def run(target: str, module: Module, probe: Probe) -> None:
    """Probe; returns when all is well. Raises ProbeFailed, ConfigError."""
    try:
        import dns.exception
        import dns.flags
        import dns.message
        import dns.query
        import dns.rcode
        import dns.rdatatype
    except ImportError:
        raise ConfigError("DNS probes need dnspython: pip install 'promlab[exporters]'") from None

    config = module.dns
    has_port = target.count(":") == 1 or "]:" in target
    host, port = split_host_port(target) if has_port else (target.strip("[]"), _PORT)
    address = probe.resolve(host, config.preferred_ip_protocol, config.ip_protocol_fallback)
    try:
        question = dns.message.make_query(config.query_name, config.query_type, config.query_class)
        if not config.recursion_desired:
            question.flags &= ~dns.flags.RD
        ask: Any = dns.query.tcp if config.transport_protocol.startswith("tcp") else dns.query.udp
        source = config.source_ip_address or None
        answer = ask(question, address, timeout=probe.left_s, port=port, source=source)
    except (dns.exception.DNSException, OSError, ValueError) as error:
        probe.measure("probe_dns_query_succeeded", "Whether the question was answered.", 0)
        raise ProbeFailed(f"{target}: {error or type(error).__name__}") from None
    probe.measure("probe_dns_query_succeeded", "Whether the question was answered.", 1)
    _check(answer, config, probe, dns.rcode.to_text(answer.rcode()))


def _check(answer: Any, config: DNSProbe, probe: Probe, code: str) -> None:
    sections = {
        "answer": (answer.answer, config.validate_answer_rrs),
        "authority": (answer.authority, config.validate_authority_rrs),
        "additional": (answer.additional, config.validate_additional_rrs),
    }
    lines = {name: _lines(sets) for name, (sets, _) in sections.items()}
    for name, found in lines.items():
        what = f"Number of records in the section {name}."
        probe.measure(f"probe_dns_{name}_rrs", what, len(found))
    probe.log(f"{code}, {lines}")
    if code not in config.valid_rcodes:
        raise ProbeFailed(f"the answer is {code}, not {' or '.join(config.valid_rcodes)}")
    for name, (_, rules) in sections.items():
        _check_section(name, lines[name], rules)


def _lines(sets: Sequence[Any]) -> list[str]:
    """Records one by one, as `name ttl class type data`, with tabs as the Go library has them."""
    return ["\t".join(line.split(" ", 4)) for each in sets for line in each.to_text().split("\n")]


def _check_section(name: str, lines: list[str], rules: Records) -> None:
    for pattern in rules.fail_if_matches_regexp:
        if any(found_in(pattern, line) for line in lines):
            raise ProbeFailed(f"a record of {name} matches {pattern!r}")
    for pattern in rules.fail_if_all_match_regexp:
        if lines and all(found_in(pattern, line) for line in lines):
            raise ProbeFailed(f"all records of {name} match {pattern!r}")
    for pattern in rules.fail_if_not_matches_regexp:
        if any(not found_in(pattern, line) for line in lines):
            raise ProbeFailed(f"a record of {name} does not match {pattern!r}")
    for pattern in rules.fail_if_none_matches_regexp:
        if not any(found_in(pattern, line) for line in lines):
            raise ProbeFailed(f"no record of {name} matches {pattern!r}")

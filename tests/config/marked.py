"""Configurations with a mark in every secret field, each mark another.

Everything that they name is a port of the loopback where nobody listens, and what has a fixed
address elsewhere is asked for through a proxy there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import count
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

from promlab.config.secret import Secret
from promlab.config.section import Section, specs

MARK = "m4rk"
NOWHERE = "http://127.0.0.1:1"
_UUID = "00000000-a12b-3cd4-e56f-000000000000"
_HTTP = (
    "http_headers: {X-Key: {secrets: [MARK], values: [shown]}}, "
    "proxy_url: 'http://u:MARK@127.0.0.1:1', proxy_connect_header: {X-P: [MARK]}"
)
_BASIC = f"basic_auth: {{username: u, password: MARK}}, {_HTTP}"
_BEARER = f"authorization: {{credentials: MARK}}, {_HTTP}"
_AWS = f"region: eu-west-1, access_key: a, secret_key: MARK, endpoint: '{NOWHERE}', {_HTTP}"
# What each mechanism is found with; those on a fixed address elsewhere go through the proxy.
_SECTIONS = f"""
azure: {{subscription_id: s, tenant_id: t, client_id: c, client_secret: MARK, {_HTTP}}}
consul: {{server: '127.0.0.1:1', token: MARK, {_HTTP}}}
consul: {{server: '127.0.0.1:1', username: u, password: MARK, {_HTTP}}}
digitalocean: {{{_BEARER}}}
docker: {{host: '{NOWHERE}', {_BASIC}}}
dockerswarm: {{host: '{NOWHERE}', role: nodes, {_BASIC}}}
aws: {{role: ec2, {_AWS}}}
ec2: {{{_AWS}}}
ecs: {{{_AWS}}}
elasticache: {{{_AWS}}}
lightsail: {{{_AWS}}}
msk: {{{_AWS}}}
rds: {{{_AWS}}}
eureka: {{server: '{NOWHERE}', {_BASIC}}}
hetzner: {{role: hcloud, {_BEARER}}}
http: {{url: 'http://u:MARK@127.0.0.1:1/', {_HTTP}}}
ionos: {{datacenter_id: d, {_BEARER}}}
kubernetes: {{role: pod, api_server: '{NOWHERE}', {_BEARER}}}
kuma: {{server: '{NOWHERE}', {_BASIC}}}
linode: {{{_BEARER}}}
marathon: {{servers: ['{NOWHERE}'], auth_token: MARK, {_HTTP}}}
nomad: {{server: '{NOWHERE}', {_BASIC}}}
openstack: {{role: instance, region: r, identity_endpoint: '{NOWHERE}', username: u, \
domain_id: d, password: MARK}}
openstack: {{role: instance, region: r, identity_endpoint: '{NOWHERE}', \
application_credential_id: a, application_credential_secret: MARK}}
outscale: {{region: r, endpoint: '{NOWHERE}', access_key: a, secret_key: MARK, {_HTTP}}}
puppetdb: {{url: '{NOWHERE}', query: q, {_BASIC}}}
scaleway: {{role: instance, project_id: p, access_key: SCW00000000000000000, secret_key: MARK, \
{_HTTP}}}
stackit: {{project: p, region: r, endpoint: '{NOWHERE}', service_account_key: MARK, \
private_key: MARK, {_HTTP}}}
uyuni: {{server: '{NOWHERE}', username: u, password: MARK, {_HTTP}}}
vultr: {{{_BEARER}}}
ovhcloud: {{service: vps, endpoint: '{NOWHERE}', application_key: k, application_secret: MARK, \
consumer_key: MARK}}
oci: {{region: r, tenancy: t, user: u, fingerprint: f, key_file: k, key_passphrase: MARK, {_HTTP}}}
"""
_JOBS = f"""
- {{job_name: basic, {_BASIC}, static_configs: [{{targets: ['127.0.0.1:1']}}]}}
- {{job_name: bearer, {_BEARER}, static_configs: [{{targets: ['127.0.0.1:1']}}]}}
- {{job_name: old, bearer_token: MARK, static_configs: [{{targets: ['127.0.0.1:1']}}]}}
- {{job_name: oauth2, oauth2: {{client_id: c, client_secret: MARK, token_url: '{NOWHERE}', \
proxy_url: 'http://u:MARK@127.0.0.1:1', proxy_connect_header: {{X-P: [MARK]}}}}, \
static_configs: [{{targets: ['127.0.0.1:1']}}]}}
- {{job_name: signed, oauth2: {{client_id: c, client_certificate_key: MARK, \
token_url: 'http://u:MARK@127.0.0.1:1/', \
grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer'}}, \
static_configs: [{{targets: ['127.0.0.1:1']}}]}}
"""
_KEY = "- {job_name: tls, tls_config: {cert: c, key: MARK}}\n"
_SENDING = f"""
remote_write:
- {{url: 'http://u:MARK@127.0.0.1:1/', {_BASIC}}}
- {{name: sigv4, url: '{NOWHERE}/a', sigv4: {{region: r, access_key: a, secret_key: MARK}}}}
- {{name: azure, url: '{NOWHERE}/b', azuread: {{cloud: {{name: AzureCustom, \
aad_endpoint: '{NOWHERE}', token_audience: a}}, \
oauth: {{client_id: {_UUID}, tenant_id: t, client_secret: MARK}}}}}}
remote_read:
- {{url: 'http://u:MARK@127.0.0.1:1/', read_recent: true, {_BEARER}}}
alerting:
  alertmanagers:
  - {{{_BASIC}, static_configs: [{{targets: ['127.0.0.1:1']}}]}}
  - {{sigv4: {{region: r, access_key: a, secret_key: MARK}}, \
static_configs: [{{targets: ['127.0.0.1:1']}}]}}
"""
_RECEIVERS = f"""
global:
  smtp_from: a@b.c
  smtp_smarthost: 127.0.0.1:1
  smtp_auth_password: MARK
  smtp_auth_secret: MARK
  slack_app_token: MARK
  slack_app_url: {NOWHERE}
  opsgenie_api_key: MARK
  wechat_api_secret: MARK
  victorops_api_key: MARK
  telegram_bot_token: MARK
  rocketchat_token: MARK
  rocketchat_token_id: MARK
  mattermost_webhook_url: {NOWHERE}/MARK
  http_config: {{{_BASIC}}}
route: {{receiver: all, group_wait: 0s}}
receivers:
- name: all
  discord_configs: [{{webhook_url: '{NOWHERE}/MARK'}}]
  mattermost_configs: [{{webhook_url: '{NOWHERE}/MARK', text: t}}]
  msteams_configs: [{{webhook_url: '{NOWHERE}/MARK'}}]
  msteamsv2_configs: [{{webhook_url: '{NOWHERE}/MARK'}}]
  email_configs: [{{to: x@y.z, auth_username: u, auth_password: MARK, auth_secret: MARK, \
require_tls: false}}]
  webhook_configs: [{{url: '{NOWHERE}/MARK', http_config: {{{_BEARER}}}}}, \
{{url: 'http://u:MARK@127.0.0.1:1/?q=MARK', http_config: {{follow_redirects: true}}}}]
  incidentio_configs: [{{url: '{NOWHERE}', alert_source_token: MARK}}]
  opsgenie_configs: [{{api_url: '{NOWHERE}', api_key: MARK}}]
  pagerduty_configs: [{{url: '{NOWHERE}', service_key: MARK}}, \
{{url: '{NOWHERE}', routing_key: MARK}}]
  pushover_configs: [{{user_key: MARK, token: MARK}}]
  rocketchat_configs: [{{api_url: '{NOWHERE}', token_id: MARK, token: MARK, channel: c}}]
  slack_configs: [{{api_url: '{NOWHERE}/MARK', channel: c}}, \
{{app_token: MARK, app_url: '{NOWHERE}', channel: c}}]
  sns_configs: [{{api_url: '{NOWHERE}', topic_arn: a, sigv4: {{region: r, access_key: a, \
secret_key: MARK}}}}]
  telegram_configs: [{{api_url: '{NOWHERE}', bot_token: MARK, chat_id: 1}}]
  victorops_configs: [{{api_url: '{NOWHERE}', api_key: MARK, routing_key: r}}]
  wechat_configs: [{{api_url: '{NOWHERE}', api_secret: MARK, corp_id: c, to_user: u}}]
"""


def _marked(text: str) -> str:
    """Each mark is another, so that a found one says where it comes from."""
    head, *rest = text.split("MARK")
    return head + "".join(f"{MARK}{n}x{part}" for n, part in zip(count(), rest, strict=False))


def _jobs(sections: str) -> Iterator[str]:
    for number, line in enumerate(sections.strip().splitlines()):
        name, _, section = line.partition(": ")
        yield f"- {{job_name: {name}{number}, {name}_sd_configs: [{section}]}}\n"


def server(*, to_run: bool = False) -> str:
    """A prometheus.yml; `to_run` leaves out what would be refused, or ask elsewhere."""
    text = f"scrape_configs:{_JOBS}" + "".join(_jobs(_SECTIONS))
    if not to_run:
        text += _KEY
    return _marked(text + _SENDING)


def alertmanager() -> str:
    """An alertmanager.yml."""
    return _marked(_RECEIVERS)


def fields_of(package: ModuleType) -> set[str]:
    """All secret fields of the sections in a package, by the names that YAML has."""
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    todo, found = [Section], set[str]()
    while todo:
        cls = todo.pop()
        todo += cls.__subclasses__()
        if cls.__module__.startswith(f"{package.__name__}."):
            kinds = ((spec.key, spec.kind) for spec in specs(cls))
            found |= {key for key, kind in kinds if kind and isinstance(kind.null, Secret)}
    return found


def secrets_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Names of fields and their secrets, all the way down."""
    match value:
        case Secret():
            if value:
                yield key, value.reveal()
        case Section():
            names = {spec.name: spec.key for spec in specs(type(value))}
            for field in dataclasses.fields(value):
                name = names.get(field.name, field.name)
                yield from secrets_in(getattr(value, field.name), name)
        case Mapping():
            for each in value.values():
                yield from secrets_in(each, key)
        case tuple():
            for each in value:
                yield from secrets_in(each, key)

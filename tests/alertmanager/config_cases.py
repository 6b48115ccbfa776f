"""Configurations that the real Alertmanager takes and refuses, as fragments.

`RECEIVERS`: kind → fragments of its configuration. `WHOLE`: whole files. A fragment starts with
`+` where it is good and `-` where it is not.
"""

from __future__ import annotations

from collections.abc import Iterator

_GLOBAL = """\
global: {slack_api_url: "http://x", mattermost_webhook_url: "http://x", smtp_smarthost: "a:1", \
smtp_from: b, wechat_api_secret: s, wechat_api_corp_id: c, jira_api_url: "http://j", \
rocketchat_token: a, rocketchat_token_id: b, opsgenie_api_key: k, victorops_api_key: v, \
telegram_bot_token: t}
"""

RECEIVERS: dict[str, str] = {
    "webhook": """
- {}
- {url: foo}
- {url: "ftp://x"}
- {url: "http://"}
+ {url: "http://{{ .x }}/"}
+ {url: "{{ .x }}"}
- {url: "{{ .x "}
+ {url: "http://x", timeout: 5}
+ {url: "http://x", timeout: 500ms}
- {url: "http://x", timeout: soon}
- {url: "http://x", max_alerts: -1}
- {url: "http://x", url_file: y}
+ {url_file: y}
- {url: "http://x", headers: {a: b}}
+ {url: "http://x", payload: {a: "{{ .Status }}", b: [1, true]}}
- {url: "http://x", http_config: {basic_auth: {username: a}, bearer_token: b}}
- {url: "http://x", http_config: {nope: 1}}
+ {url: "http://x", http_config: {authorization: {credentials: a}}}
- {url: "http://x", http_config: {authorization: {type: basic, credentials: a}}}
- {url: "http://x", http_config: {tls_config: {min_version: TLS9}}}
+ {url: "http://x", http_config: {http_headers: {X-A: {values: [b]}}}}
- {url: "http://x", http_config: {http_headers: {Host: {values: [b]}}}}
- {url: "http://x", http_config: {no_proxy: a}}
+ {url: "http://x", http_config: {proxy_from_environment: true}}
- {url: "http://x", http_config: {oauth2: {client_id: a}}}
+ {url: "<secret>"}""",
    "email": """
- {}
+ {to: a}
- {to: a, headers: {to: b, To: c}}
- {to: a, threading: {x: 1}}
- {to: a, threading: {enabled: true, thread_by_date: foo}}
- {to: a, threading: {enabled: true}}
+ {to: a, threading: {enabled: true, thread_by_date: none}}
+ {to: a, threading: {enabled: true, thread_by_date: daily}, headers: {Message-ID: b}}
- {to: a, threading: {enabled: true, thread_by_date: none}, headers: {references: b}}
- {to: a, smarthost: "x"}
- {to: a, tls_config: {x: 1}}
- {to: a, require_tls: maybe}
+ {to: a, auth_password: a, auth_password_file: b}
+ {to: a, force_implicit_tls: true}
- {to: a, http_config: {}}""",
    "slack": """
+ {}
- {fields: [{x: 1}]}
- {fields: [{value: x}]}
- {fields: [{title: x}]}
+ {fields: [{title: x, value: y, short: true}]}
- {actions: [{x: 1}]}
- {actions: [{type: a}]}
- {actions: [{type: a, text: b}]}
+ {actions: [{type: a, text: b, url: c}]}
- {actions: [{type: a, text: b, url: c, confirm: {title: x}}]}
+ {actions: [{type: a, text: b, name: c, confirm: {text: x}}]}
- {api_url: "http://x", app_token: y}
- {api_url: "http://x", api_url_file: y}
+ {app_token: y}
- {api_url: "x"}
+ {api_url: "<secret>"}
- {blocks: []}""",
    "pagerduty": """
- {}
+ {routing_key: a, service_key: b}
- {routing_key: a, images: [{x: 1}]}
- {routing_key: a, links: [{x: 1}]}
+ {routing_key: a, links: [{href: x}], images: [{src: y}]}
+ {routing_key: a, details: {a: {b: 1}}}
- {routing_key: a, routing_key_file: b}
- {service_key: a, service_key_file: b}
+ {routing_key: a, timeout: -1s}
- {routing_key: a, class_: b}
+ {routing_key: a, class: b}""",
    "opsgenie": """
+ {}
- {responders: [{x: 1}]}
- {responders: [{name: x}]}
- {responders: [{name: x, type: foo}]}
- {responders: [{type: user}]}
+ {responders: [{type: "{{ .x }}", name: a}]}
+ {responders: [{type: Team, name: a}]}
- {teams: x}
- {api_key: a, api_key_file: b}
+ {update_alerts: true, details: {a: b}}""",
    "victorops": """
- {}
+ {routing_key: a}
- {routing_key: a, custom_fields: {entity_id: x}}
+ {routing_key: a, custom_fields: {other: x}}
- {routing_key: a, api_key: b, api_key_file: c}""",
    "pushover": """
- {token: x}
- {user_key: x}
+ {user_key: x, token: t}
- {user_key: x, token: t, html: true, monospace: true}
- {user_key: x, token: t, retry: 5}
+ {user_key: x, token: t, retry: 5s}
- {user_key: x, user_key_file: y, token: t}
+ {user_key: x, token_file: y}
- {user_key: x, token_file: y, token: t}""",
    "telegram": """
- {}
+ {chat_id: 4}
+ {chat_id_file: x}
- {chat_id: 4, chat_id_file: x}
- {chat_id: 4, parse_mode: x}
+ {chat_id: 4, parse_mode: ""}
- {chat_id: abc}
- {chat_id: 1, message_thread_id: abc}
- {chat_id: 1, bot_token: a, bot_token_file: b}""",
    "discord": """
- {}
+ {webhook_url: "http://a"}
- {webhook_url: foo}
- {webhook_url: "http://a", webhook_url_file: b}""",
    "msteams": """
- {}
+ {webhook_url: "http://a", summary: b}""",
    "msteamsv2": """
- {webhook_url: "http://a", summary: b}
+ {webhook_url_file: b}""",
    "webex": """
- {}
- {room_id: x}
+ {room_id: x, http_config: {authorization: {credentials: y}}}
+ {room_id: x, http_config: {bearer_token: y}}
- {room_id: x, http_config: {basic_auth: {username: y}}}""",
    "wechat": """
+ {}
- {message_type: x}
+ {message_type: markdown}
- {api_secret: a, api_secret_file: b}""",
    "sns": """
- {}
- {topic_arn: a, phone_number: b}
+ {topic_arn: a, attributes: {a: 1}}
- {topic_arn: a, sigv4: {access_key: b}}
+ {topic_arn: a, sigv4: {access_key: b, secret_key: c, profile: x, role_arn: y}}""",
    "jira": """
- {}
- {project: x}
+ {project: x, issue_type: y}
- {project: x, issue_type: y, api_type: foo}
- {project: x, issue_type: y, description: {x: 1}}
+ {project: x, issue_type: y, description: foo, summary: {template: a, enable_update: false}}
+ {project: x, issue_type: y, fields: {a: {b: [1, {c: d}]}}}
- {project: x, issue_type: y, reopen_duration: 5}""",
    "rocketchat": """
+ {}
- {fields: [{x: 1}]}
- {actions: [{x: 1}]}
+ {actions: [{type: x}], fields: [{title: x}]}
- {token: a, token_file: b}
- {alias: x}""",
    "mattermost": """
+ {}
- {props: {a: 1}}
+ {props: {card: 1}}
- {priority: {x: 1}}
+ {priority: {priority: urgent, requested_ack: true}}
- {fields: [{title: x}]}
- {attachments: [{x: 1}]}
- {attachments: [{fields: [{title: x}]}]}
+ {attachments: [{title: 1, fields: [{title: a, value: b, short: true}]}]}""",
    "incidentio": """
- {}
+ {url: "http://a"}
+ {url: "http://a", alert_source_token: b}
- {url: "http://a", url_file: b, alert_source_token: c}
- {url: "http://a", alert_source_token: b, alert_source_token_file: c}
- {url: "http://a", alert_source_token: b, http_config: {authorization: {credentials: c}}}""",
}

# A line is a route's fields, below the root; `!` stands for fields of the root.
ROUTES = """
+ matchers: ["a=b"]
+ matchers: ["a=b,c=d", '{e="f"}']
+ matchers: ["föö=bar"]
+ matchers: ['"foo bar"=baz']
- matchers: ["foo"]
- matchers: ["=bar"]
- matchers: ["a=~["]
- matchers: ['foo="bar']
+ matchers: []
+ match: {a: b}
+ match: {a: }
+ match_re: {a: "b.*"}
- match_re: {a: "b["}
- match_re: {a: }
- match: {"": b}
- match: {"a b": c}
+ group_by: ["..."]
- group_by: ["...", a]
- group_by: [a, a]
- group_by: [""]
+ group_by: []
+ group_by: ["föö"]
- group_interval: 0s
- repeat_interval: 0s
+ group_wait: 0s
- group_wait: 5
- group_wait: soon
+ repeat_interval: 1d
- receiver: nobody
+ receiver: b
+ continue: true
- continue: yes please
- mute_time_intervals: [never]
+ mute_time_intervals: [t]
+ active_time_intervals: [t]
- routes: [{receiver: nobody}]
+ routes: [{receiver: b}]
- labels: {a: b}
- nope: 1
! - matchers: ["a=b"]
! - match: {a: b}
! - continue: true
! - mute_time_intervals: [t]
! - active_time_intervals: [t]
! - group_interval: 0s
! + group_by: [a]
"""

INTERVALS = """
+ times: [{start_time: "09:00", end_time: "17:00"}]
+ times: [{start_time: "09:00", end_time: "24:00"}]
- times: [{start_time: "17:00", end_time: "09:00"}]
- times: [{start_time: "09:00", end_time: "09:00"}]
- times: [{start_time: "09:00"}]
- times: [{start_time: "9:00", end_time: "10:00"}]
- times: [{start_time: "09:00", end_time: "24:01"}]
- times: [{start_time: "09:60", end_time: "10:00"}]
+ weekdays: ["monday:friday", "Sunday"]
- weekdays: ["friday:monday"]
- weekdays: ["mon"]
- weekdays: ["monday:tuesday:friday"]
+ days_of_month: ["1:5", "-3:-1", "31"]
- days_of_month: ["0"]
- days_of_month: ["32"]
- days_of_month: ["-32"]
- days_of_month: ["-1:1"]
- days_of_month: ["5:1"]
- days_of_month: ["a"]
+ days_of_month: ["1:-1"]
- days_of_month: ["-1:-5"]
+ months: ["1:3", "may:august", "december"]
+ months: ["0"]
+ months: ["13"]
- months: ["may:april"]
- months: ["jan"]
+ years: ["2020:2022", "2030"]
- years: ["2022:2020"]
- years: ["x"]
+ location: Europe/Paris
+ location: Local
- location: Nowhere/Land
- nope: 1
"""

INHIBIT = """
+ {}
+ {source_match: {a: b}, target_match: {c: d}, equal: [e]}
+ {source_matchers: ["a=b"], target_matchers: ["c=d"], name: x}
- {source_matchers: ["a"]}
- {source_match_re: {a: "["}}
- {target_match_re: {a: }}
+ {equal: ["föö"]}
- {equal: [""]}
- {nope: 1}
"""

GLOBALS = """
+
+ resolve_timeout: 10m
- resolve_timeout: 10
- smtp_smarthost: localhost
- smtp_smarthost: "localhost:"
+ smtp_smarthost: "localhost:25"
- slack_api_url: foo
- slack_api_url: "http://x"\\n  slack_api_url_file: y
- opsgenie_api_key: a\\n  opsgenie_api_key_file: y
- http_config: {nope: 1}
+ http_config: {proxy_url: "http://x"}
- pagerduty_url: "ftp://x"
- nope: 1
+ telegram_bot_token: a
- telegram_bot_token: a\\n  telegram_bot_token_file: y
- rocketchat_token: a\\n  rocketchat_token_file: y
- wechat_api_secret: a\\n  wechat_api_secret_file: y
"""

WHOLE = {
    "-empty": "",
    "-no route": "receivers: [{name: a}]",
    "-no receiver in root": "route: {}\nreceivers: [{name: a}]",
    "+smallest": "route: {receiver: a}\nreceivers: [{name: a}]",
    "-undefined receiver": "route: {receiver: b}\nreceivers: [{name: a}]",
    "-same receiver twice": "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]",
    "-nameless receiver": "route: {receiver: a}\nreceivers: [{name: a}, {}]",
    "+labels": "route: {receiver: a}\nreceivers: [{name: a, labels: {team: x}}]",
    "-unknown kind": "route: {receiver: a}\nreceivers: [{name: a, foo_configs: []}]",
    "-unknown key": "route: {receiver: a}\nreceivers: [{name: a}]\nfoo: 1",
    "-same key twice": "route: {receiver: a}\nroute: {receiver: a}\nreceivers: [{name: a}]",
    "-not yaml": "route: {receiver: a",
    "-a list": "- a",
    "+empty sections": "global:\ntemplates:\nroute: {receiver: a}\nreceivers: [{name: a}]",
    "+no such template": "templates: [x/*.tmpl, y.tmpl]\n"
    "route: {receiver: a}\nreceivers: [{name: a}]",
    "-interval twice": "route: {receiver: a}\nreceivers: [{name: a}]\n"
    "time_intervals: [{name: t}, {name: t}]",
    "-interval in both": "route: {receiver: a}\nreceivers: [{name: a}]\n"
    "time_intervals: [{name: t}]\nmute_time_intervals: [{name: t}]",
    "-nameless interval": "route: {receiver: a}\nreceivers: [{name: a}]\ntime_intervals: [{}]",
    "-no slack url": "route: {receiver: a}\nreceivers: [{name: a, slack_configs: [{}]}]",
    "-no smarthost": "route: {receiver: a}\nreceivers: [{name: a, email_configs: [{to: b}]}]",
    "-no sender": "global: {smtp_smarthost: 'a:1'}\nroute: {receiver: a}\n"
    "receivers: [{name: a, email_configs: [{to: b}]}]",
    "-no opsgenie key": "route: {receiver: a}\nreceivers: [{name: a, opsgenie_configs: [{}]}]",
    "-no wechat corp": "global: {wechat_api_secret: x}\nroute: {receiver: a}\n"
    "receivers: [{name: a, wechat_configs: [{}]}]",
    "-no jira url": "route: {receiver: a}\n"
    "receivers: [{name: a, jira_configs: [{project: p, issue_type: t}]}]",
    "-no mattermost url": "route: {receiver: a}\nreceivers: [{name: a, mattermost_configs: [{}]}]",
    "-no rocketchat token": "route: {receiver: a}\n"
    "receivers: [{name: a, rocketchat_configs: [{}]}]",
    "-no telegram token": "route: {receiver: a}\n"
    "receivers: [{name: a, telegram_configs: [{chat_id: 1}]}]",
}


def _lines(text: str) -> Iterator[tuple[bool, str]]:
    for line in text.strip("\n").split("\n"):
        if line:
            yield line[0] == "+", line[1:].strip().replace("\\n", "\n")


def cases() -> Iterator[tuple[str, bool, str]]:
    """Name, whether it is good, and the text of each configuration."""
    for kind, fragments in RECEIVERS.items():
        for good, fragment in _lines(fragments):
            yield (
                f"{kind} {fragment}",
                good,
                f"{_GLOBAL}route: {{receiver: a}}\n"
                f"receivers:\n- name: a\n  {kind}_configs: [{fragment}]\n",
            )
    base = "receivers: [{name: a}, {name: b}]\ntime_intervals: [{name: t}]\nroute:\n  receiver: a\n"
    for line in ROUTES.strip().split("\n"):
        root = line.startswith("!")
        good, fragment = next(_lines(line.removeprefix("! ")))
        below = f"  {fragment}\n" if root else f"  routes:\n  - {fragment}\n"
        yield f"{'root' if root else 'route'} {fragment}", good, base + below
    smallest = "route: {receiver: a}\nreceivers: [{name: a}]\n"
    for good, fragment in _lines(INTERVALS):
        text = f"{smallest}time_intervals:\n- name: t\n  time_intervals:\n  - {fragment}\n"
        yield f"interval {fragment}", good, text
    for good, fragment in _lines(INHIBIT):
        yield f"inhibit {fragment}", good, f"{smallest}inhibit_rules: [{fragment}]\n"
    for good, fragment in _lines(GLOBALS):
        yield f"global {fragment}", good, f"{smallest}global:\n  {fragment}\n"
    for name, text in WHOLE.items():
        yield name[1:], name[0] == "+", text

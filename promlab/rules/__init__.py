"""Recording and alerting rules, and what tells Alertmanagers of alerts.

    RuleManager    groups of a configuration, over reloads          manager.py
    Group          rules in order, at fixed moments                 group.py, schedule.py
    RecordingRule  an expression's result under another name        recording.py
    AlertingRule   inactive → pending → firing, for each label set  alerting.py, alert.py
    Notifier       a queue for each Alertmanager                    notifier.py, sender.py

What the room needs from outside (an engine, a querier, a place for samples, a clock) is in
`seams`; what the HTTP API shows is in `status` and `listing`.
"""

from __future__ import annotations

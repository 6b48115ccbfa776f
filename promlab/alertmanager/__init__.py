"""The Alertmanager: takes alerts, groups and routes them, holds some back, and notifies.

    alerts ──▶ provider ──▶ dispatch (routing tree, groups) ──▶ pipeline ──▶ receivers
                                                                  │
                             inhibition, time intervals, silences ┘    notification log

`config/` reads alertmanager.yml, `receivers/` has one file a kind of receiver, `server/` is
the process with its HTTP API. What depends on time gets a clock, so that everything below
`server/` runs on a virtual one in tests.
"""

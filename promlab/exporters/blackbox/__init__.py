"""Probes from outside: does it answer, how fast, with what certificate.

`modules` reads the file that says how to probe, in the format of blackbox_exporter; each prober
is a module; `command` serves `/probe`.
"""

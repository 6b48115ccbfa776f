"""prometheus.yml: read strictly, typed, with Prometheus' defaults.

    config = promlab.config.load("prometheus.yml")
    config.jobs[0].scrape_interval_ms

A file that is not valid, or asks for what promlab can't do yet, is refused with the file,
the line, the column and the field. Nothing here opens a connection or starts anything.
Relabelling works on columns, in `promlab.config.relabelling`: reading a file needs no numpy.
"""

from __future__ import annotations

from promlab.config.config import Config
from promlab.config.global_ import GlobalConfig
from promlab.config.load import load, load_text
from promlab.config.relabel import RelabelConfig
from promlab.config.scrape import ScrapeConfig
from promlab.config.secret import Secret

__all__ = [
    "Config",
    "GlobalConfig",
    "RelabelConfig",
    "ScrapeConfig",
    "Secret",
    "load",
    "load_text",
]

# `make lab` and `make test` are all that a fresh machine needs (Python 3.11+, git, make).
PYTHON ?= python3
VENV   ?= .venv
RUN    := $(VENV)/bin

# uv, where there is one that can, is quicker than pip.
install = uv pip install --quiet --compile-bytecode --python $(RUN)/python --editable '.[$(1)]' \
  2>/dev/null || $(RUN)/python -m pip install --quiet --editable '.[$(1)]'

.PHONY: help lab test check format bench warmup clean

help:
	@echo "make lab     JupyterLab on the first notebook, with a lab server running"
	@echo "make test    everything that must pass: lint, types, tests, notebooks, browser"
	@echo "make format  let ruff format and mend what it can"
	@echo "make bench   benchmarks beside the real Prometheus, with ratios"
	@echo "make clean   remove the virtual environment and caches"

$(RUN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "promlab needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/lab.installed: pyproject.toml | $(RUN)/python
	$(call install,lab)
	@touch $@

$(VENV)/dev.installed: pyproject.toml | $(RUN)/python
	$(call install,dev)
	@touch $@ $(VENV)/lab.installed

lab: $(VENV)/lab.installed
	$(RUN)/promlab warmup
	PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/promlab lab $(LAB_FLAGS) notebooks/00-tour.ipynb

test: $(VENV)/dev.installed
	scripts/browser
	scripts/haproxy
	VENV=$(VENV) scripts/check

format: $(VENV)/dev.installed
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

bench: $(VENV)/dev.installed
	$(RUN)/promlab warmup
	$(RUN)/python -m benchmarks

warmup: $(VENV)/lab.installed
	$(RUN)/promlab warmup

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

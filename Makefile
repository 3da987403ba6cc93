# Everything runs in .venv, made on first use. `make` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check lint types imports pytest dashboards pictures clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/demo

demo: $(VENV)/demo ## simulator and exporter on loopback, no account needed
	@$(BIN)/vod-transcode-exporter demo

test: check pytest ## lint, types, import contracts and all tests

check: lint types imports ## what can be told without running

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy

imports: $(VENV)/dev
	$(BIN)/lint-imports

pytest: $(VENV)/dev
	$(BIN)/pytest -n 5 --dist worksteal

dashboards: $(VENV)/dev ## write the JSON of the Grafana dashboards anew
	$(BIN)/python -m grafana

pictures: $(VENV)/dev ## take the pictures of the README anew, in Chromium
	$(BIN)/python docs/pictures.py

clean: ## remove what was made here
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

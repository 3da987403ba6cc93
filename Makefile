# Everything runs in .venv, which the first target creates, with the Python of PYTHON. `make` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The version and the place of a Python. If .venv was made with another one than PYTHON, it is made again.
IDENTITY := 'import sys; print(sys.version.split()[0], "in", sys.base_prefix)'
WANTED := $(shell $(PYTHON) -c $(IDENTITY))
ifneq ($(WANTED),$(shell $(BIN)/python -c $(IDENTITY) 2> /dev/null))
.PHONY: $(VENV)/demo $(VENV)/dev
endif

# Some container images switch compiled files off. With them, pytest starts twice as fast, and so do the programs in tests.
unexport PYTHONDONTWRITEBYTECODE

# Tests have three kinds. `make test` runs those without a marker, with coverage, and `make quick` those of them that test single
# modules. `make slow` and `make stack` run those with these markers, without coverage, which would slow down the programs that
# they start. Files of other kinds are not imported.
FAST = -n 3 --dist worksteal -m 'not slow and not stack' -p no:schemathesis $(ONLY_OTHERS:%=--ignore=%)
ONLY_OTHERS = $(shell grep -rlE --include='test_*.py' '^pytestmark = pytest.mark.(slow|stack)' tests)
OTHER_FOLDERS = deploy docs faults grafana integration property replicas
UNITS = $(FAST) -n 4 $(OTHER_FOLDERS:%=--ignore=tests/%)
SLOW = -n 6 --dist worksteal -m 'slow and not stack' $(shell grep -rl --include='test_*.py' 'pytest.mark.slow' tests)
STACK_TESTS = -n 4 --dist worksteal -m stack $(shell grep -rl --include='test_*.py' 'pytest.mark.stack' tests)

# With RERUNS=1 a test that failed runs once more, and the report names it. Many tests run several programs in real time, so a
# busy machine can make them fail.
RERUN = $(RERUNS:%=-rR --reruns %)

# Without PostgreSQL its tests are skipped, so less than pyproject.toml asks for is covered.
LESS_COVERED = $(if $(wildcard /usr/lib/postgresql/*/bin/pg_ctl),,--cov-fail-under=94)

# mypy uses one processor, and tests wait.
MAKEFLAGS += $(if $(filter test quick,$(MAKECMDGOALS)),--jobs=2)

.PHONY: help demo test quick slow stack check lint types imports units fast covered dashboards shell chart lock pictures clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/demo: pyproject.toml
	$(call new_environment,the exporter and its libraries. This takes a minute or two ...)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@echo "Installed."
	@touch $@

$(VENV)/dev: pyproject.toml
	$(call new_environment,the exporter$(comma) its libraries and the tools of developers. This takes some minutes ...)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@echo "Installed."
	@touch $@ $(VENV)/demo

comma := ,
define new_environment
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("The exporter needs Python 3.11 or later. Name one: make PYTHON=python3.12")'
	@echo "Python $(WANTED): making $(VENV) with $(1)"
	@$(PYTHON) -m venv --clear $(VENV)
endef

demo: $(VENV)/demo ## simulator and exporter, no account needed; with STACK=1 also Prometheus and Grafana
	@$(BIN)/vod-transcode-exporter demo $(if $(filter-out 0,$(STACK)),--stack)

test: check covered ## lint, types, import contracts, and the fast tests with coverage by branch

quick: check units ## lint, types, import contracts and the tests of single modules, for use while you edit

slow: $(VENV)/dev ## the tests that start the exporter, wait in real time or run many examples
	$(BIN)/pytest $(SLOW) $(RERUN)

stack: $(VENV)/dev ## the tests that run Prometheus, Chromium or a whole stack
	$(BIN)/pytest $(STACK_TESTS) $(RERUN)

check: lint types imports ## lint, types and import contracts

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy

imports: $(VENV)/dev
	$(BIN)/lint-imports

units: $(VENV)/dev
	$(BIN)/pytest $(UNITS)

fast: $(VENV)/dev
	$(BIN)/pytest $(FAST) $(RERUN)

covered: $(VENV)/dev
	$(BIN)/pytest $(FAST) $(RERUN) --cov --cov-report=term $(LESS_COVERED)

dashboards: $(VENV)/dev ## write the JSON files of the Grafana dashboards
	$(BIN)/python -m grafana

shell: $(VENV)/dev ## write the completions of shells and the man page, from the flags
	$(BIN)/python -m deploy.shell

chart: ## write the README of the Helm chart from its values, with helm-docs
	helm-docs --chart-search-root=deploy/helm/vod-transcode-exporter --sort-values-order=file

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --custom-compile-command 'make lock'

lock: $(VENV)/dev ## write the versions and hashes of the libraries that the image has; with UPGRADE=1 the newest
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra postgres pyproject.toml --output-file requirements.lock
	$(LOCK) $(if $(UPGRADE),--upgrade) deploy/docker/build.in --output-file deploy/docker/build.lock

pictures: $(VENV)/dev ## take the pictures of the README, in Chromium
	$(BIN)/python docs/pictures.py

clean: ## remove all files that these targets made
	rm -rf $(VENV) build dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

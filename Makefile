# EchoLead: everything a newcomer or a contributor runs. `make` alone shows the list.
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
# The virtual environment brings its own Node.js; scripts of npm packages must find that one first.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD := 1

BASE := .stamps/base
DEV := .stamps/dev
NPM := .stamps/npm
SQL := .stamps/sql
SCRIPT := tracking/dist/t.js

.DEFAULT_GOAL := help
.PHONY: help up test test-pages test-script test-stack test-python test-unit check lint lint-python lint-types lint-sql lint-script format bench lock notice \
	audit sbom clean browsers
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  Pass arguments on with ARGS, for example: make up ARGS="--data-dir /srv/echolead --port-base 9000"'

up: $(BASE) $(SCRIPT) ## Install what is missing, then run the whole stack with a demo tenant
	@$(BIN)/echolead up $(ARGS)

test: $(DEV) $(SCRIPT) browsers ## Install what is missing, then run every test
	@$(MAKE) --no-print-directory --keep-going --jobs 2 test-pages test-python

# What drives browsers and whole stacks waits for most of its time, so it runs beside the other tests.
test-pages:
	@$(MAKE) --no-print-directory --keep-going test-script test-stack

test-script:
	$(BIN)/npm --prefix tracking test

test-stack:
	$(BIN)/python -m pytest tests/e2e $(ARGS)

# Two processes with servers of their own: most of these tests wait for something. Files in order: the console's tests
# make tables where the models' tests find none. Files that share a built warehouse go to one process (tests/conftest.py).
test-python:
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/integration tests/unit $(ARGS)

test-unit:
	$(BIN)/python -m pytest -q --numprocesses 2 tests/unit

LINTS := lint-types lint-sql lint-python lint-script
IN_PARALLEL := $(MAKE) --no-print-directory --keep-going --jobs 2 --output-sync

check: $(DEV) $(SCRIPT) ## Check style and types and run the unit tests: what to do before each commit
	@$(IN_PARALLEL) $(LINTS) test-unit

lint: $(DEV) $(NPM) ## Check style and types: ruff, mypy --strict, sqlfluff, the script's own checks
	@$(IN_PARALLEL) $(LINTS)

lint-python:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-types:
	$(BIN)/mypy

lint-sql: $(SQL)

# Parsing is slow: only what has changed is read again, and everything when a macro has changed.
$(SQL): .sqlfluff $(wildcard dbt_project/macros/*.sql) $(shell find dbt_project/models dbt_project/tests -name '*.sql')
	$(BIN)/sqlfluff lint --disable-progress-bar \
		$(if $(filter .sqlfluff dbt_project/macros/%,$?),dbt_project/models dbt_project/tests,$?)
	@mkdir -p .stamps && touch $@

lint-script:
	$(BIN)/npm --prefix tracking run lint

format: $(DEV) ## Rewrite Python files in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) $(SCRIPT) ## Run the benchmarks, print their table, write build/bench.json
	$(BIN)/python -m tests.bench $(ARGS)

lock: $(DEV) ## Pin every Python package again, with hashes, from requirements/*.in
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q \
		requirements/base.in -o requirements/base.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q \
		requirements/dev.in -o requirements/dev.txt

notice: $(DEV) ## List the locked packages with their licences in NOTICE
	$(BIN)/python requirements/notice.py

audit: $(DEV) ## Ask databases of vulnerabilities about the locked packages (skipped, and said so, offline)
	$(BIN)/python requirements/audit.py $(ARGS)

sbom: $(DEV) ## Write bills of materials (CycloneDX) of the locked packages to build/
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements/base.txt --output-reproducible --no-validate --output-file build/sbom-python.json
	$(BIN)/npm --prefix tracking sbom --package-lock-only --sbom-format cyclonedx > build/sbom-npm.json

clean: ## Remove everything that can be made again (the data in var/ stays)
	rm -rf $(VENV) .stamps build tracking/node_modules tracking/dist dbt_project/target dbt_project/logs \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))' || { \
		echo "EchoLead needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
		echo "Name another one: make up PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "Python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(BASE): requirements/base.txt pyproject.toml | $(BIN)/pip
	@echo "Installing the Python packages: about 2 GB, a few minutes the first time"
	@$(BIN)/python requirements/install.py requirements/base.txt
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@mkdir -p .stamps && touch $@

$(DEV): requirements/dev.txt $(BASE)
	@echo "Installing the tools for tests ..."
	@$(BIN)/python requirements/install.py requirements/dev.txt
	@touch $@

$(NPM): tracking/package.json tracking/package-lock.json $(BASE)
	@echo "Installing the packages that build the tracking script ..."
	@$(BIN)/npm --prefix tracking ci --no-audit --no-fund --loglevel=error
	@touch $@

$(SCRIPT): $(NPM) $(wildcard tracking/src/*.js tracking/src/features/*.js) $(wildcard tracking/*.mjs) \
		dbt_project/seeds/excluded_referrers.csv
	@$(BIN)/npm --prefix tracking run --silent build
	@touch $@

browsers:
	@sh tests/ensure_browsers.sh

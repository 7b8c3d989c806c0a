# Every target sets up what it needs: the virtual environment is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test check lint format test-all bench breaks chaos chaos-short docs clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

demo: $(STAMP) ## watch incidents come off a topic, match and run (nothing outside this machine is touched)
	$(BIN)/automation-consumer demo

test: $(STAMP) ## the tests that need no server
	$(BIN)/pytest -m 'not server' tests/unit tests/contract tests/architecture tests/docs tests/acceptance tests/chaos

check: lint ## format, lint, types, the map, docs examples, unit tests
	$(BIN)/pytest -m 'not server'

lint: $(STAMP) ## format, lint, types, the map
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(STAMP) ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-all: $(STAMP) ## everything, with real servers (see tests/integration/README.md)
	tests/integration/with-servers $(BIN)/pytest tests

bench: $(STAMP) ## measure, and write docs/performance.md
	tests/integration/with-servers $(BIN)/python -m benchmarks

breaks: $(STAMP) ## break the code in many ways: each time a test must turn red
	$(BIN)/python -m tests.breaks

chaos: $(STAMP) ## break things on purpose, for about two hours, and write docs/reliability.md
	tests/integration/with-servers $(BIN)/python -m tests.chaos

chaos-short: $(STAMP) ## the same in six minutes
	$(BIN)/pytest tests/chaos
	tests/integration/with-servers $(BIN)/python -m tests.chaos --short

docs: $(STAMP) ## write the generated pages again
	$(BIN)/python -m automation_consumer.cli.reference docs

clean: ## remove what make made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis

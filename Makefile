# Packbench: everything starts here. `make help` lists the targets.
# `setup` is stamped: a second time it does nothing and needs no network.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.packbench-setup
C_SOURCES := $(wildcard firmware_bridge/firmware/core/*.[ch] firmware_bridge/firmware/boards/host/*.[ch])
TOOLS := $(VENV)/peers/.packbench-tools $(VENV)/models/.packbench-tools
C_CORE := firmware_bridge/packbench_board/libpackbench_core.so

.PHONY: help setup demo test peers check coverage bench fuzz coverage-campaign wheel generate lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) $(if $(C_SOURCES),$(C_CORE)) ## create .venv with the locked packages and the program

$(STAMP): requirements.lock pyproject.toml hatch_build.py scripts/system-packages.sh
	@PYTHON="$(PYTHON)" sh scripts/system-packages.sh
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(C_CORE): $(C_SOURCES) hatch_build.py | $(STAMP)
	$(BIN)/python hatch_build.py
	@touch $@

$(VENV)/%/.packbench-tools: requirements-%.lock scripts/system-packages.sh | $(STAMP)
	@PYTHON="$(PYTHON)" sh scripts/system-packages.sh test
	@test -x $(VENV)/$*/bin/python || $(PYTHON) -m venv $(VENV)/$*
	$(VENV)/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-$*.lock
	@touch $@

peers: setup $(TOOLS) ## other people's clients, servers and cell models, which the tests run against ours

demo: setup ## the main job on simulated hardware: residual capacity of a retired pack, with a report
	@$(BIN)/packbench demo

test: setup check peers ## everything CI runs: check, then all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: setup ## format, lint, types and layers; seconds
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache > $(VENV)/lint-imports.txt || { cat $(VENV)/lint-imports.txt; exit 1; }
	@$(BIN)/basedpyright

coverage: setup ## which lines the tests do not reach
	$(BIN)/coverage run -m pytest -q
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort=miss

bench: setup ## the speed of the simulation beside the bare loop, and where the time goes
	$(BIN)/python tests/benchmarks/speed.py
	$(BIN)/python tests/benchmarks/wire.py
	PYTHONPATH=. $(BIN)/python tests/benchmarks/line.py
	$(BIN)/python tests/benchmarks/recorder.py
	$(BIN)/python tests/benchmarks/reading.py
	$(BIN)/python tests/benchmarks/check.py
	$(BIN)/python tests/benchmarks/engine.py

fuzz: setup ## a million inputs into every parser of bytes from a wire (hours); FUZZ='--runs 1000 TARGET' for less
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	$(BIN)/python tests/fuzz/run.py $(FUZZ)

coverage-campaign: setup ## 200 seeds: how often the stated uncertainty holds the truth
	PYTHONPATH=. $(BIN)/python tests/benchmarks/coverage.py

wheel: setup ## dist/packbench-*.whl with the compiled core in it
	$(BIN)/hatchling build -t wheel

generate: setup ## write what is generated: the board's link and page, the table of devices
	$(BIN)/python -m firmware_bridge.protocol.generate
	$(BIN)/python scripts/devices_table.py
	$(BIN)/python scripts/board_page.py
	$(BIN)/python scripts/reliability_table.py

lock: ## resolve requirements.lock anew (needs a network)
	sh scripts/lock.sh

-include make/*.mk

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis $(C_CORE)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

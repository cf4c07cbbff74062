# Two commands matter: `make demo` (watch it work) and `make test`. Both set everything up by themselves.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench chaos lint format docs lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.ready ## make the virtual environment from the lock

.venv/.ready: requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.12 …"; exit 1; }
	@echo "setting up .venv: one to three minutes the first time, as everything is downloaded"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip sync --quiet --compile-bytecode requirements-dev.txt
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

demo: setup ## sandbox + real Airflow + the whole line; EXIT=1 ends after the summary
	@exec $(BIN)/python -m pql.orchestration.demo $(if $(EXIT),--exit) $(ARGS)

test: setup ## every test (ARGS="-k name" to choose)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

bench: setup ## measure on generated data → docs/reference/benchmarks.md (ARGS="--help")
	@$(BIN)/python -m tests.bench.run $(ARGS)

chaos: setup ## every delivery guarantee against faults, for hours → docs/reference/delivery-guarantees.md (ARGS="--help")
	@$(BIN)/python -m tests.chaos.run $(ARGS)

lint: setup ## ruff, mypy strict, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## put the code in the house's form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup ## write the reference pages that the code determines
	@$(BIN)/python docs/generate.py

LOCK := $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --custom-compile-command "make lock" pyproject.toml

lock: setup ## resolve the locks anew: requirements.txt, -server (with it: the image), -dev (with both: tests)
	@$(LOCK) -o requirements.txt
	@$(LOCK) --extra server -c requirements.txt -o requirements-server.txt
	@$(LOCK) --extra server --extra dev -c requirements-server.txt -o requirements-dev.txt

clean: ## forget the demo and the caches (not the virtual environment)
	@rm -rf .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

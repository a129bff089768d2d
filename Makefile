# make demo and make test are all that a new machine needs; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint bench fuzz kill lock peers clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 10

.venv/service: requirements-service.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements-service.txt
	@touch $@

.venv/dev: .venv/service requirements-dev.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/service ## the main job, from evidence to a verdict at a door, into demo-out/
	$(BIN)/python -m issuer.demo

test: .venv/dev ## every test; installs what they need
	$(BIN)/python -m pytest -n auto

lint: .venv/dev ## formatting, lint, types, arrows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

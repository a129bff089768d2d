# make demo and make test are all that a new machine needs; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint conformance bench fuzz kill lock peers system load clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 13

.venv/service: requirements-service.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements-service.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/service requirements-dev.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

.venv-peers/done: requirements-peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --require-hashes -r requirements-peers.txt
	@touch $@

demo: .venv/service ## the main job, from evidence to a verdict at a door, into demo-out/
	$(BIN)/python -m issuer.demo

test: system .venv/dev .venv-peers/done ## every test; installs what they need
	$(BIN)/python -m pytest -n auto

lint: .venv/dev ## formatting, lint, types, arrows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

COMMAND ?= $(BIN)/python -m tests.vectors.ours
conformance: .venv/dev ## ask COMMAND, or Celadon itself, every case of tests/vectors
	$(BIN)/python -m tests.vectors.run -- $(COMMAND)

bench: system load .venv/dev .venv-peers/done ## every number of the specification, measured
	$(BIN)/python -m tests.bench $(AREAS)

peers: .venv-peers/done ## other people's libraries, to be measured against

fuzz: .venv/dev ## 10 million mutated codes through two decoders
	$(BIN)/python -m tests.fuzz --inputs 10000000 --seed 20201214

kill: .venv/dev ## a thousand times kill -9 while issuing, and a look at what is left
	$(BIN)/python -m tests.kill --kills 1000

LOCK := uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-strip-extras

lock: ## write the requirement files anew (needs uv)
	$(LOCK) pyproject.toml -o requirements-venue.txt
	$(LOCK) pyproject.toml --all-extras --group build -o requirements-service.txt
	$(LOCK) pyproject.toml --all-extras --group dev -o requirements-dev.txt
	$(LOCK) tests/peers/requirements.in -o requirements-peers.txt

# Nothing is started and nothing configured: the tests run a server and a token of their own.
APT := DEBIAN_FRONTEND=noninteractive apt-get -qq -o=Dpkg::Use-Pty=0
# A program, the Debian package that brings it, and what needs it.
debian = @if command -v $(1) >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		$(APT) update && $(APT) install --no-install-recommends $(2) >/dev/null; \
	else echo "install Debian's package $(2): $(3)" >&2; fi

system: ## PostgreSQL, SoftHSM, iproute2 and openssl from Debian; needed by tests and benches only
	@if ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		$(APT) update && $(APT) install --no-install-recommends postgresql-common >/dev/null && \
		sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' \
			/etc/postgresql-common/createcluster.conf && \
		$(APT) install --no-install-recommends postgresql >/dev/null; \
	else echo "install Debian's package postgresql: the tests start a server" >&2; fi
	$(call debian,softhsm2-util,softhsm2,the tests make tokens)
	$(call debian,ip,iproute2,a test makes networks)
	$(call debian,openssl,openssl,a test makes certificates)

load: ## the load generator wrk from Debian; needed by benches only
	$(call debian,wrk,wrk,the benches ask a server)

clean: ## forget environments, caches and the demo
	rm -rf .venv .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-out

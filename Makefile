# Every target does all of its own set-up; what is done already is not done again (stamps in .make/).
#   make demo    everything on this machine: a coordinator, mirrors, donors and a download that shows its sources
#   make test    all tests, with real browsers and servers
#   make check   format, lint, strict types in both languages, import contracts, generated files
#   make bench   the measurements, long
#   make fmt     formats both languages, writes the generated files
#   make build   sdist, wheel and npm package in dist/
#   make pins    resolves the pinned versions anew

SHELL := /bin/sh
PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
# Node and npm come from a wheel inside the virtual environment, so the machine needs none.
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport VIRTUAL_ENV PYTHONHOME

CLIENT_SOURCES := $(shell find client -path client/node_modules -prune -o -type f \( -name '*.ts' -o -name '*.css' -o -name '*.html' -o -name '*.svg' \) -print | grep -v '^client/tests/')

.DEFAULT_GOAL := help
.PHONY: help setup client demo test test-python test-client check bench fmt build pins clean

help:
	@sed -n '2,8s/^# \{0,1\}//p' Makefile

setup: .make/client

# --- set-up -------------------------------------------------------------------------------------------------------

.make/venv: requirements/runtime.txt requirements/dev.txt
	@sh scripts/make-venv.sh "$(PYTHON)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@mkdir -p .make && touch $@

.make/client: .make/package $(CLIENT_SOURCES) client/build.mjs client/package.json client/package-lock.json
	$(BIN)/python hatch_build.py
	@touch $@

.make/package: .make/venv pyproject.toml hatch_build.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

.make/machine: scripts/machine-packages.sh
	@sh scripts/machine-packages.sh
	@mkdir -p .make && touch $@

client: .make/client

# --- the two commands of the README -------------------------------------------------------------------------------

demo: .make/client
	$(BIN)/dio demo $(ARGS)

# Both runners always run, so that one red does not hide the other; the closing lines of both are printed.
test: .make/client .make/machine
	@status=0; \
	$(MAKE) --no-print-directory test-client || status=1; \
	$(MAKE) --no-print-directory test-python || status=1; \
	exit $$status

test-client: .make/client
	cd client && node --test --test-reporter=spec "tests/**/*.test.ts"

# A module at a time in each of two processes: most of the time passes waiting for browsers. What fails is run once more,
# and the report names it; what fails twice is red.
test-python: .make/client .make/machine
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --reruns 1 --durations=10 $(ARGS)

# --- quality ------------------------------------------------------------------------------------------------------

check: .make/client
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m distribute_io.wire.generate --check
	$(BIN)/python scripts/generate_reference.py --check
	cd client && npm run --silent types && npm run --silent lint && npm run --silent format:check
	$(BIN)/python -m pytest -q -p no:randomly tests/meta

fmt: .make/client
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd client && npm run --silent format
	$(BIN)/python -m distribute_io.wire.generate
	$(BIN)/python scripts/generate_reference.py

bench: .make/client .make/machine
	$(BIN)/python -m bench $(or $(ARGS),all)

build: .make/client
	$(BIN)/python -m build
	mkdir -p client/dist
	cp src/distribute_io/client_dist/index.js src/distribute_io/client_dist/download-worker.js \
		src/distribute_io/client_dist/donor-worker.js client/dist/
	cp LICENSE client/
	cd client && npm run --silent declarations && npm pack --pack-destination ../dist

pins: .make/venv
	$(BIN)/python requirements/pin.py

clean:
	rm -rf .make .venv dist build src/distribute_io/client_dist client/node_modules client/types client/dist client/LICENSE

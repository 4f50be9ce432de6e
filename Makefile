# Two commands for a newcomer: `make demo` and `make test`. Both make their own .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-fast lint bench clean

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; PYTHON=python3.12 make … chooses one." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[train,dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/tastemaker demo

test: $(STAMP) lint
	$(BIN)/python -m pytest

test-fast: $(STAMP)
	$(BIN)/python -m pytest -m 'not slow' -n auto

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python .ci/audit.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks.baselines
	$(BIN)/python -m benchmarks.seed_softmax
	$(BIN)/python -m benchmarks.content
	$(BIN)/python -m benchmarks.quality ml-100k
	$(BIN)/python -m benchmarks.commands
	$(BIN)/python -m benchmarks.folding
	$(BIN)/python -m benchmarks.train

clean:
	rm -rf $(VENV) models build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

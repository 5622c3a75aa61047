# All the set-up there is: git, make and Python 3.11 or newer. `make demo` and `make test` do the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SIZE ?= full

.PHONY: demo test quick lint format clean

demo: $(VENV)/.installed
	$(BIN)/lima demo --size $(SIZE)

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

quick: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow"

lint: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# torch comes first and by version: later packages then find it satisfied, and no CUDA build is fetched where a CPU
# build is at hand. nuscenes-devkit, which only tests use, comes without the pins it does not need.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
$(VENV)/.installed: pyproject.toml constraints.txt requirements-dev.txt requirements-devkit.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: PYTHON=…")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -c constraints.txt -r requirements-dev.txt -r requirements-devkit.txt -e '.[simulator,plots]'
	$(PIP) --no-deps nuscenes-devkit==1.2.0
	touch $@

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache

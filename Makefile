# make demo    install everything into .venv and compare LeNet on all frameworks
# make test    run all tests that take minutes; make test-all also the slow ones and other Pythons
# make test-gpu  compare a CUDA GPU with the CPU, bit for bit
# make check   format, lint, types, tests

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
OLD = $(shell $(PYTHON) -c "import sys; print(int(sys.version_info < (3, 12)))")
# Whatever lies under backends/ is installed; a folder that is deleted is not missed.
BACKENDS = $(patsubst backends/tensorflow,backends/tensorflow[cpu],$(patsubst %/pyproject.toml,%,$(wildcard backends/*/pyproject.toml)))
CONSTRAINTS = $(if $(filter 1,$(OLD)),requirements/python-3.11.txt,requirements/python-3.12.txt)
PROJECTS = pyproject.toml $(wildcard backends/*/pyproject.toml) $(wildcard requirements/*.txt)

.PHONY: demo test test-all test-gpu check format lint types bench data clean

demo: $(STAMP)
	$(BIN)/unicnn compare lenet --gradients

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal
	sh tests/other_pythons.sh

test-gpu: $(STAMP)
	$(BIN)/python tests/on_gpu.py --device cuda

check: $(STAMP) format lint types test

format: $(STAMP)
	$(BIN)/ruff format --check .

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks

$(STAMP): $(PROJECTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]' $(foreach path,$(BACKENDS),--editable '$(path)')
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info backends/*/*.egg-info

# make demo    install everything into .venv and compare LeNet on all frameworks
# make test    run all tests that take minutes; make test-all also the slow ones and other Pythons
# make test-gpu  compare a CUDA GPU with the CPU, bit for bit
# make test-plugin  test the example of a backend from outside, JAX, in an environment of its own
# make check   format, lint, types, tests

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
OLD = $(shell $(PYTHON) -c "import sys; print(int(sys.version_info < (3, 12)))")
# Whatever lies under backends/ is installed; a folder that is deleted is not missed.
BACKENDS = $(patsubst backends/tensorflow,backends/tensorflow[cpu],$(patsubst %/pyproject.toml,%,$(wildcard backends/*/pyproject.toml)))
CONSTRAINTS = $(if $(filter 1,$(OLD)),requirements/python-3.11.txt,requirements/python-3.12.txt)
JAX = .venv-jax
PROJECTS = pyproject.toml $(wildcard backends/*/pyproject.toml) $(wildcard requirements/*.txt)

# Two processes that use all cores each wait for one another; tests of what threads change set their own.
ONE_THREAD = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

.PHONY: demo test test-all test-gpu test-plugin check format lint types bench data clean

demo: $(STAMP)
	$(BIN)/unicnn compare lenet --gradients

test: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal
	sh tests/other_pythons.sh

test-gpu: $(STAMP)
	$(BIN)/python tests/on_gpu.py --device cuda
	if [ -e $(JAX)/.installed ]; then $(JAX)/bin/python tests/on_gpu.py --device cuda --backends jax; fi

# What XLA has compiled is kept beside the environment, for the next run.
test-plugin: $(JAX)/.installed
	JAX_COMPILATION_CACHE_DIR=$(CURDIR)/$(JAX)/compiled JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
	$(JAX)/bin/python -m pytest -n 2 --dist worksteal -m "not slow" -k jax examples/your_own_backend/tests \
	tests/identical/test_invariance.py tests/identical/test_fingerprint.py tests/training/test_identical_training.py \
	tests/training/test_float64_agreement.py tests/models tests/repo/test_one_word_one_place.py \
	tests/porting/test_loops.py tests/porting/test_loop_inits.py tests/porting/test_laws.py

check: $(STAMP) format lint types test

format: $(STAMP)
	$(BIN)/ruff format --check .

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Networks to read in tests. Without its dependencies, because torchvision on PyPI asks for a PyTorch with CUDA.
$(STAMP): $(PROJECTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]' $(foreach path,$(BACKENDS),--editable '$(path)')
	$(if $(wildcard backends/torch),$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --no-deps torchvision pillow)
	touch $@

# JAX needs NumPy 2, with which MXNet does not run.
$(JAX)/.installed: pyproject.toml backends/numpy/pyproject.toml examples/your_own_backend/pyproject.toml
	$(PYTHON) -m venv --clear $(JAX)
	$(JAX)/bin/python -m pip install --quiet 'jax[cpu]==0.10.2' flax==0.12.8 optax==0.2.8 --editable '.[dev]' --editable backends/numpy --editable examples/your_own_backend
	touch $@

clean:
	rm -rf $(VENV) $(JAX) build dist *.egg-info backends/*/*.egg-info

#!/bin/sh
# Run the tests that need no framework, and those of the NumPy backend, on every other Python that is here, with NumPy 2.
# MXNet's descriptor is installed from Python 3.12 on, where MXNet does not exist, to see that every table says so.
set -eu
for version in 3.10 3.12 3.13; do
    python=
    for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
        if "$candidate" -c pass 2>/dev/null; then python=$candidate; fi
    done
    if [ -z "$python" ]; then
        echo "Python $version is not installed; its tests are left out."
        continue
    fi
    venv=.venv-$version
    mxnet=
    if [ "$version" != 3.10 ]; then mxnet="--editable backends/mxnet"; fi
    "$python" -m venv "$venv"
    # shellcheck disable=SC2086
    "$venv/bin/python" -m pip install --quiet 'numpy>=2' --editable '.[dev]' --editable backends/numpy $mxnet
    echo "Python $version, NumPy $("$venv/bin/python" -c 'import numpy; print(numpy.__version__)')"
    "$venv/bin/unicnn" backends
    "$venv/bin/python" -m pytest -n 2 -m "not slow" tests/null tests/kit tests/identical tests/training tests/models tests/repo backends/numpy
done

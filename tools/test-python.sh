#!/bin/sh
# Builds the Python package and runs tests/python with the Python of ANNDATAOOM_PYTHON. Arguments go to pytest.
set -eu
sh tools/build-python.sh
PYTHONPATH=python exec "${ANNDATAOOM_PYTHON:-python3}" -m pytest -q tests/python "$@"

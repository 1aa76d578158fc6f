#!/bin/sh
# Builds the Python package and runs tests/python with ANNDATAOOM_PYTHON and, if it is set, with
# ANNDATAOOM_NEWEST_PYTHON. Arguments go to pytest.
set -eu
sh tools/build-python.sh
today=${ANNDATAOOM_PYTHON:-python3}
newest=${ANNDATAOOM_NEWEST_PYTHON:-}
failed=0
for python in "$today" ${newest:+"$newest"}; do
  command -v "$python" >/dev/null 2>&1 || { printf '== no %s: the tests do not run with it\n' "$python"; continue; }
  "$python" -c 'import sys, anndata, pandas
print(f"== Python {sys.version.split()[0]}, anndata {anndata.__version__}, pandas {pandas.__version__}")'
  PYTHONPATH="$PWD/python" "$python" -m pytest -q tests/python "$@" || failed=1
done
exit $failed

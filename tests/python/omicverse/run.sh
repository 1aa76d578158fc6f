#!/bin/sh
# Runs omicverse 2.3.2 and scanpy 1.11 on our wheel. First makes an environment for them (2 GB, kept
# in the cache), then replaces the anndataoom that omicverse brings with the wheel. Arguments go to
# pytest.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/anndataoom
env=$cache/omicverse-env
if [ ! -f "$env/.complete" ]; then
  echo "== installing omicverse into $env"
  python3 -m venv --clear "$env"
  "$env/bin/pip" install --quiet "omicverse[rust]==2.3.2" leidenalg pytest hypothesis dask hdf5plugin
  touch "$env/.complete"
fi
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"; export PATH
CMAKE="$(sh tools/find-cmake.sh)"; export CMAKE
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
"$env/bin/pip" wheel --quiet --no-deps --wheel-dir "$wheels" .
"$env/bin/pip" install --quiet --no-deps --force-reinstall "$wheels"/*.whl
if [ $# -eq 0 ]; then
  set -- tests/python/omicverse/check_omicverse.py tests/python/test_scanpy.py tests/python/test_verbs.py
fi
"$env/bin/python" -m pytest -q -W ignore "$@"

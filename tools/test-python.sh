#!/bin/sh
# Builds the Python package's compiled part beside its sources and runs tests/python with the test environment
# (ANNDATAOOM_PYTHON). Extra arguments go to pytest.
set -eu
python=${ANNDATAOOM_PYTHON:-python3}
CMAKE="$(sh tools/find-cmake.sh)"; export CMAKE
cargo build --locked --release -p anndataoom-py --manifest-path src/rust/Cargo.toml
target=${CARGO_TARGET_DIR:-src/rust/target}/release
case "$(uname -s)" in Darwin) built=$target/libanndataoom_py.dylib ;; *) built=$target/libanndataoom_py.so ;; esac
# A new file, never an overwritten one: a running Python may have the old one mapped.
cp "$built" python/anndataoom/_core.abi3.so.new
mv python/anndataoom/_core.abi3.so.new python/anndataoom/_core.abi3.so
PYTHONPATH=python exec "$python" -m pytest -q tests/python "$@"

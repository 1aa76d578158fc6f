#!/bin/sh
# Builds the compiled part of the Python package and puts it beside its sources: PYTHONPATH=python is then enough.
#   ANNDATAOOM_REMOTE  "false" leaves out remote files (https://, s3://, ...)
set -eu
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"; export PATH
CMAKE="$(sh tools/find-cmake.sh)"; export CMAKE
features=
[ "${ANNDATAOOM_REMOTE:-}" != false ] || features=--no-default-features
# shellcheck disable=SC2086
cargo build --locked --release -p anndataoom-py --manifest-path src/rust/Cargo.toml $features
target=${CARGO_TARGET_DIR:-src/rust/target}/release
case "$(uname -s)" in Darwin) built=$target/libanndataoom_py.dylib ;; *) built=$target/libanndataoom_py.so ;; esac
# A new file replaces the old one, which a running Python may have mapped.
cp "$built" python/anndataoom/_core.abi3.so.new
mv python/anndataoom/_core.abi3.so.new python/anndataoom/_core.abi3.so

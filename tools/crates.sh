#!/bin/sh
# Counts the crates of the R package, and fails if there are more than CONTRIBUTING.md allows.
set -eu
count() { cargo tree --locked --manifest-path src/rust/Cargo.toml -p anndataoom-r -e normal,build --prefix none "$@" | sed 's/ (\*)$//' | sort -u | wc -l; }
with=$(count)
without=$(count --no-default-features)
echo "crates of the R package: $without, with remote files $with"
[ "$without" -le 170 ] && [ "$with" -le 250 ] || { echo "more than 170, or than 250 with remote files" >&2; exit 1; }

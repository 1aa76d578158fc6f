#!/bin/sh
# Makes inst/extdata/pbmc_like.h5ad anew with the project's simulator: 700 cells, 2,000 genes, 6 types, 2 batches.
# Gives the same bytes every time, with any number of threads. Runs in any folder; needs cargo.
set -eu
cd "$(dirname "$0")/.."
mkdir -p inst/extdata
out=$PWD/inst/extdata/pbmc_like.h5ad
cd src/rust
cargo run --release --locked -p anndataoom-core --example simulate -- \
    --n-obs 700 --n-vars 2000 --n-types 6 --n-batches 2 --density 0.25 --seed 1 --compression gzip:9 "$out"
ls -l "$out"

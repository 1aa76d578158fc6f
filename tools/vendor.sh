#!/bin/sh
# Puts the sources of all crates into src/rust/vendor.tar.xz, for builds without a network:
#
#   sh tools/vendor.sh && R CMD build .        # a tarball that carries its crates
#   ANNDATAOOM_OFFLINE=true R CMD INSTALL anndataoom_*.tar.gz
set -eu
cd "$(dirname "$0")/../src/rust"
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"; export PATH
rm -rf vendor vendor.tar.xz vendor-config.toml
cargo vendor --locked --versioned-dirs vendor > /dev/null
XZ_OPT="-6 -T0" tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cJf vendor.tar.xz vendor
rm -rf vendor
cat > vendor-config.toml <<'CONFIG'
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "rust/vendor"
CONFIG
ls -l "$PWD/vendor.tar.xz"

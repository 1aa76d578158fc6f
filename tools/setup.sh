#!/bin/sh
# Installs the missing tools and packages for the named target, and nothing else:
#
#   tools/setup.sh demo    R with Matrix and ggplot2, a C/C++ compiler, CMake >= 3.26
#   tools/setup.sh test    the same plus rustfmt and clippy, testthat and jsonlite, Seurat and Bioconductor for the
#                          conversions, and two Python environments with anndata and scanpy: today's (test-env), and
#                          the newest (new-env) where there is a Python >= 3.12
#
# On Debian and its relatives the distribution's built packages are installed; elsewhere a message says what to install.
set -eu
what=${1:-demo}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/anndataoom
mkdir -p "$cache"

say() { printf '== %s\n' "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"; export PATH
have cargo || stop "Rust is missing: install rustc and cargo >= 1.91 from https://rustup.rs"

missing=
need() { case " $missing " in *" $1 "*) ;; *) missing="$missing $1" ;; esac; }

have gcc && have g++ && have make || need build-essential
if have R && R --slave -e 'quit(status = getRversion() < "4.2")' >/dev/null 2>&1; then
  [ -f "$(R RHOME)/etc/Makeconf" ] || need r-base-dev
else
  need r-base-dev
fi
r_package() { # R package, Debian package
  have R && R --slave -e "quit(status = !requireNamespace('$1', quietly = TRUE))" >/dev/null 2>&1 || need "$2"
}
r_package Matrix r-cran-matrix
r_package ggplot2 r-cran-ggplot2
r_package cli r-cran-cli
if [ "$what" = test ]; then
  r_package testthat r-cran-testthat
  r_package jsonlite r-cran-jsonlite
  # Packages for the tests of conversions are looked up without loading them, which takes seconds
  # for each.
  r_there() { have R && R --slave -e "quit(status = !nzchar(system.file(package = '$1')))" >/dev/null 2>&1 || need "$2"; }
  r_there SingleCellExperiment r-bioc-singlecellexperiment
  r_there HDF5Array r-bioc-hdf5array
  r_there rhdf5 r-bioc-rhdf5
  r_there BiocParallel r-bioc-biocparallel
  r_there DropletUtils r-bioc-dropletutils
  r_there edgeR r-bioc-edger
  r_there scuttle r-bioc-scuttle
  r_there scran r-bioc-scran
  r_there scater r-bioc-scater
  r_there beachmat r-bioc-beachmat
  r_there BiocSingular r-bioc-biocsingular
  r_there Seurat r-cran-seurat
  # A web server that supports range requests.
  PATH="$PATH:/usr/sbin" have nginx || need nginx-light
fi
have python3 || need python3
if have python3 && ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then need python3-venv; fi

if [ -n "$missing" ]; then
  have apt-get || stop "missing:$missing (Debian's names). Install their counterparts with your system's package manager, then run this again."
  sudo=
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || stop "missing:$missing. Run as root: apt-get install$missing"
    sudo=sudo
  fi
  say "installing:$missing"
  $sudo apt-get update -qq
  # At run level 1 the package does not start its server.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if ! sh tools/find-cmake.sh >/dev/null 2>&1; then
  say "installing a recent CMake (the Python package 'cmake') into $cache/tools"
  python3 -m venv "$cache/tools"
  "$cache/tools/bin/pip" install --quiet 'cmake>=3.26'
  sh tools/find-cmake.sh >/dev/null
fi

if [ "$what" = test ]; then
  for part in fmt clippy; do
    cargo "$part" --version >/dev/null 2>&1 && continue
    have rustup || stop "cargo $part is missing: install Rust's component, or your distribution's package, of that name"
    say "installing Rust's component for cargo $part"
    rustup component add "$([ "$part" = fmt ] && echo rustfmt || echo "$part")"
  done
  # If its list of packages changes, an environment gets the missing ones; it is made anew if that
  # fails.
  environment() { # name, list of packages, Python
    want=$(cksum < "$2")
    [ "$(cat "$cache/$1/requirements.cksum" 2>/dev/null)" != "$want" ] || return 0
    say "installing Python packages for the tests into $cache/$1"
    if ! "$cache/$1/bin/python" -m pip install --quiet -r "$2" 2>/dev/null; then
      "$3" -m venv --clear "$cache/$1"
      "$cache/$1/bin/python" -m pip install --quiet -r "$2"
    fi
    printf '%s' "$want" > "$cache/$1/requirements.cksum"
  }
  environment test-env tools/requirements-today.txt python3
  if newest=$(sh tools/find-python.sh); then
    environment new-env tools/requirements-newest.txt "$newest"
  else
    say "no Python >= 3.12 (python3.13, python3.12 or one of pyenv's): the Python tests run with today's anndata only"
  fi
fi

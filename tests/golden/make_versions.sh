#!/bin/sh
# Writes versions/anndata_<version>.h5ad with each version of anndata, in an environment of its own
# that is removed afterwards:
#
#   make_versions.sh [directory of environments]
#
# Needs Python 3.6 to 3.12 side by side, as pyenv installs them: anndata 0.5 and 0.6 need Python
# 3.6, 0.7 needs Python 3.8. If a directory is given, environments found there under the version's
# name are used and kept.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
envs=${1:-}
temporary=
if [ -z "$envs" ]; then
  temporary=$(mktemp -d)
  envs=$temporary
  trap 'rm -rf "$temporary"' EXIT
fi
mkdir -p "$here/versions"

python_of() { # newest installed Python of this series
  command -v "python$1" || ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python 2>/dev/null | tail -1
}

write() { # version, Python, requirements
  version=$1 series=$2
  shift 2
  if [ ! -x "$envs/$version/bin/python" ]; then
    python=$(python_of "$series") || { echo "Python $series is not here: anndata $version is left out" >&2; return; }
    "$python" -m venv "$envs/$version"
    "$envs/$version/bin/pip" install -q --upgrade pip
    "$envs/$version/bin/pip" install -q "$@"
  fi
  "$envs/$version/bin/python" -W ignore "$here/make_versions.py" "$here/versions/anndata_$version.h5ad"
}

write 0.5 3.6 anndata==0.5.10 'pandas<0.25' 'numpy<1.17' 'scipy<1.2' 'h5py<2.10'
write 0.6 3.6 anndata==0.6.22.post1 'pandas<1' 'numpy<1.19' 'h5py<3'
write 0.7 3.8 anndata==0.7.8 'pandas<1.4' 'numpy<1.23'
write 0.8 3.9 anndata==0.8.0 'pandas<1.6' 'numpy<1.24' 'scipy<1.10'
write 0.10 3.10 anndata==0.10.9 'numpy<2'
write 0.12 3.11 'anndata==0.12.*' 'pandas<3'
write 0.13 3.12 'anndata==0.13.*'

# A copy with a matrix of an unknown encoding.
"$envs/0.12/bin/python" - "$here" <<'PY'
import shutil
import sys

import h5py

here = sys.argv[1]
shutil.copy(f"{here}/versions/anndata_0.12.h5ad", f"{here}/formats_future.h5ad")
with h5py.File(f"{here}/formats_future.h5ad", "r+") as f:
    for name in ("X", "layers/dense"):
        f[name].attrs["encoding-type"] = "from-the-future"
PY

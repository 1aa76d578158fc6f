#!/bin/sh
# Prints the path of a Python of version 3.12 or later, which the newest anndata needs: one on the
# PATH, or the newest one of pyenv.
set -eu
root=${PYENV_ROOT:-$HOME/.pyenv}/versions
newest=$(ls "$root" 2>/dev/null | sort -t. -k1,1nr -k2,2nr -k3,3nr || true)
for python in python3.13 python3.12 python3 $(for v in $newest; do echo "$root/$v/bin/python3"; done); do
  # pyenv's python3.12 on the PATH exists but fails if that version is not selected.
  if found=$("$python" -c 'import ensurepip, venv, sys; sys.version_info >= (3, 12) and print(sys.executable)' 2>/dev/null) &&
    [ -n "$found" ]; then
    printf '%s\n' "$found"
    exit 0
  fi
done
exit 1

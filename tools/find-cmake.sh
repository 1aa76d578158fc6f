#!/bin/sh
# Prints the path of a CMake >= 3.26 (HDF5 2 needs it): $CMAKE, the one on the PATH, or the one that
# tools/setup.sh installed.
new_enough() {
  v=$("$1" --version 2>/dev/null | sed -n 's/^cmake version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
  [ -n "$v" ] || return 1
  set -- $v
  [ "$1" -gt 3 ] || { [ "$1" -eq 3 ] && [ "$2" -ge 26 ]; }
}
for candidate in "${CMAKE:-}" "$(command -v cmake 2>/dev/null)" \
                 "${XDG_CACHE_HOME:-$HOME/.cache}/anndataoom/tools/bin/cmake"; do
  if [ -n "$candidate" ] && new_enough "$candidate"; then
    echo "$candidate"
    exit 0
  fi
done
echo "CMake >= 3.26 is missing: install it ('pip install cmake' has a recent one) and put it on the PATH, or point the variable CMAKE at it." >&2
exit 1

#!/bin/sh
# Writes onto a full disk (a 4 MB tmpfs, needs root; else under a limit of the file size) and checks that the error
# says so, the old file is untouched and nothing is left behind.
# Usage: disk_full.sh path/to/simulate
set -eu
simulate=$1
dir=$(mktemp -d)
if mount -t tmpfs -o size=4m tmpfs "$dir" 2>/dev/null; then
    trap 'umount "$dir"; rmdir "$dir"' EXIT
    limit=""
else
    trap 'rm -rf "$dir"' EXIT
    limit="yes"
fi
"$simulate" --n-obs 300 --n-vars 1000 --seed 1 "$dir/x.h5ad"
before=$(cksum <"$dir/x.h5ad")
for format in csr dense; do
    if (
        [ -z "$limit" ] || { trap '' XFSZ; ulimit -f 2000; }
        "$simulate" --n-obs 20000 --n-vars 4000 --compression none --format "$format" "$dir/x.h5ad" 2>"$dir/message"
    ); then
        echo "$format: writing should have failed"
        exit 1
    fi
    cat "$dir/message"
    grep -Eq "No space left|File too large" "$dir/message"
    rm "$dir/message"
    [ "$(cksum <"$dir/x.h5ad")" = "$before" ]
    [ "$(ls -A "$dir")" = "x.h5ad" ]
done
echo "a full disk leaves the old file and nothing else"

#!/bin/sh
# Kills (SIGKILL) a write at 50 moments and checks that the file that was there is untouched.
# Usage: kill.sh path/to/simulate [rounds]    (build it with: cargo build --release --example simulate)
set -eu
simulate=$1
rounds=${2:-50}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$simulate" --n-obs 500 --n-vars 1000 --seed 1 "$dir/x.h5ad"
before=$(cksum <"$dir/x.h5ad")
whole=0
i=0
while [ "$i" -lt "$rounds" ]; do
    i=$((i + 1))
    "$simulate" --n-obs 4000 --n-vars 4000 --seed "$i" "$dir/x.h5ad" &
    pid=$!
    sleep "$(awk "BEGIN { print $i * 0.02 }")"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    now=$(cksum <"$dir/x.h5ad")
    if [ "$now" != "$before" ]; then
        # The write was faster than the signal: the new file must be the whole new file.
        "$simulate" --n-obs 4000 --n-vars 4000 --seed "$i" "$dir/y.h5ad"
        cmp "$dir/x.h5ad" "$dir/y.h5ad" || { echo "round $i: the file is damaged"; exit 1; }
        whole=$((whole + 1))
        before=$now
    fi
done
echo "$rounds kills: $((rounds - whole)) times the old file, $whole times the whole new one"

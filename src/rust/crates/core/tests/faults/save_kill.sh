#!/bin/sh
# Kills (SIGKILL) a process that saves into a file, again and again, and checks after each time that the file opens and
# holds either the state before or the state after the save that was interrupted, whole.
# Usage: save_kill.sh path/to/simulate path/to/save [rounds]
set -eu
simulate=$1
save=$2
rounds=${3:-200}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
file=$dir/x.h5ad
"$simulate" --n-obs 2000 --n-vars 500 --seed 1 "$file"
"$save" "$file" 0 1 >/dev/null
at=0
i=0
recovered=0
while [ "$i" -lt "$rounds" ]; do
    i=$((i + 1))
    "$save" "$file" $((at + 1)) $((at + 1000)) >"$dir/said" &
    pid=$!
    sleep "$(awk -v i="$i" 'BEGIN { srand(i); print 0.005 + rand() * 0.15 }')"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    said=$(tail -n 1 "$dir/said")
    said=${said:-$at}
    [ ! -e "$dir/.x.h5ad.save" ] || recovered=$((recovered + 1))
    found=$("$save" --check "$file") || { echo "round $i: the file is damaged"; exit 1; }
    if [ "$found" != "$said" ] && [ "$found" != $((said + 1)) ]; then
        echo "round $i: the file holds $found, the last save that was done was $said"
        exit 1
    fi
    at=$found
done
echo "$rounds kills in $at saves: never anything but the state before or after; $recovered times a journal was finished"

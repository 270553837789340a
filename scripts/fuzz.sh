#!/bin/sh
# Runs every fuzz target for FUZZ_SECONDS (60), as many at once as there are cores. New inputs stay in
# build/fuzz/corpus; what breaks a target is left in build/fuzz/found and named.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
mkdir -p build/fuzz/found
one='
target=$1 seconds=$2 name=${1#build/fuzz/fuzz_}
mkdir -p "build/fuzz/corpus/$name"
began=$(date +%s)
if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build/fuzz/found/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" \
        >"build/fuzz/$name.log" 2>&1; then
        echo "ok    $name  $(sed -n "s/^stat::number_of_executed_units: *//p" "build/fuzz/$name.log") runs in $(($(date +%s) - began)) s"
else
        echo "FAIL  $name"
        tail -40 "build/fuzz/$name.log" | sed "s/^/    | /"
        exit 1
fi'
status=0
find build/fuzz -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x | LC_ALL=C sort |
        xargs -P "$(nproc)" -I{} sh -c "$one" sh {} "$seconds" || status=1
exit $status

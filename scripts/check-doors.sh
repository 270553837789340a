#!/bin/sh
# A library is a room with one door: only the files that scripts/doors.txt names include its headers.
set -eu
cd "$(dirname "$0")/.."
bad=0
grep -v '^#' scripts/doors.txt | while read -r header files; do
        grep -rn "^#include <$header" src firmware --include='*.[ch]' | while IFS=: read -r path line rest; do
                open=
                set -f
                for pattern in $files; do
                        case $path in src/$pattern) open=yes ;; esac
                done
                [ -n "$open" ] || echo "$path:$line: <$header> is for: $files"
        done
done | { ! grep .; } || bad=1
exit $bad

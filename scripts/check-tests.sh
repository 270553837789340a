#!/bin/sh
# Every source file has a unit test: tests/unit/FOLDER/test_FILE.c, or another of its folder that says `covers: FILE.c`.
# Every script with an interpreter's line can be run, or the runner would pass it by.
# Every parser of scripts/parsers.txt has its fuzz target, with a corpus.
set -eu
cd "$(dirname "$0")/.."
{
        find src firmware -name '*.c' ! -path 'src/prog/*' ! -path firmware/init.c | LC_ALL=C sort | while read -r path; do
                folder=$(basename "$(dirname "$path")") file=$(basename "$path")
                [ -e "tests/unit/$folder/test_$file" ] || grep -rqs "covers:.*\b$file" "tests/unit/$folder" ||
                        echo "$path: no tests/unit/$folder/test_$file, and no test there says it covers it"
        done
        for path in tests/*/*.py tests/*/*.sh; do
                [ -x "$path" ] || [ "$(head -c 2 "$path")" != '#!' ] || echo "$path: is not executable, so it is not run"
        done
        grep -v '^#' scripts/parsers.txt | while read -r path target; do
                [ -e "$path" ] || echo "scripts/parsers.txt: $path is not there"
                [ -e "tests/fuzz/$target" ] || echo "$path: no tests/fuzz/$target"
                name=${target#fuzz_}
                [ -n "$(ls "tests/fuzz/corpus/${name%.c}" 2>/dev/null)" ] || echo "tests/fuzz/$target: no corpus"
        done
} | { ! grep .; }

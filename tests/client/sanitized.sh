#!/bin/sh
# The Python SDK's rows and the attacker's once more, against the programs built with AddressSanitizer and
# UndefinedBehaviorSanitizer: a report ends a role, and a row with it.
# time limit: 600 s
set -u
cd "$(dirname "$0")/../.."
export LETHE_BIN="$PWD/build/san/bin"
status=0
for test in tests/client/openai_python.py tests/fault/attacks.py; do
        python3 "$test" >"build/test-output/sanitized.txt" 2>&1 || { cat build/test-output/sanitized.txt; status=1; }
done
exit $status

#!/bin/sh
# The top level holds exactly what README.md says, every role closes its sandbox, and the product has no switch that
# leaves it open.
set -eu
cd "$(dirname "$0")/.."
bad=0
wanted='LICENSE Makefile README.md SECURITY.md firmware image policy scripts src tests'
found=$(ls | grep -vx build | LC_ALL=C sort | tr '\n' ' ')
[ "$found" = "$wanted " ] || { echo "top level: $found"; echo "   wanted: $wanted"; bad=1; }
for hidden in $(ls -A | grep '^\.' | grep -vx '\.git'); do
        case $hidden in .ci | .gitignore | .clang-format) ;; *) echo "top level: $hidden"; bad=1 ;; esac
done
for role in KEEPER RESOLVER ADMIN RELAY CONSOLE SUPERVISOR; do
        for step in enter close; do
                grep -rqs "sandbox_$step\(_keeping\)\{0,1\}(ROLE_$role[,)]" src/prog src/role src/relay src/admin ||
                        { echo "nothing calls sandbox_$step(ROLE_$role)"; bad=1; }
        done
done
nm build/obj/release/src/role/sandbox.o | grep -q 'U seccomp_load' || { echo "the product's sandbox loads no filter"; bad=1; }
for program in build/bin/lethe*; do
        if strings -d -n 6 "$program" | grep -Ei 'no.?sandbox|unsandbox' | grep -v '^UNSANDBOXED$'; then
                echo "$program: has words of a switch that leaves the sandbox out"
                bad=1
        fi
done
exit $bad

#!/bin/sh
# Every program of the product is static, position independent, without writable code, with its tables made read-only
# before it starts, and built with the stack protector and fortified calls.
set -eu
cd "$(dirname "$0")/.."
bad=0
fault() { echo "$program: $1"; bad=1; }
for program in build/bin/*; do
        case $program in */mock-vendor | *.said) continue ;; esac
        readelf -hW "$program" | grep -q 'Type: *DYN' || fault "not position independent"
        segments=$(readelf -lW "$program")
        echo "$segments" | grep -q INTERP && fault "needs a loader"
        echo "$segments" | grep -q 'GNU_STACK.* RW ' || fault "executable stack"
        echo "$segments" | grep -q GNU_RELRO || fault "no read-only relocations"
        echo "$segments" | grep -q 'LOAD.* RWE ' && fault "a segment is writable and executable"
        dynamic=$(readelf -dW "$program")
        echo "$dynamic" | grep -q 'FLAGS_1.*NOW.*PIE' || fault "not bound at start, or not marked PIE"
        echo "$dynamic" | grep -Eq 'NEEDED|RPATH|RUNPATH|TEXTREL' && fault "needs libraries, or has text relocations"
        names=$(nm "$program")
        echo "$names" | grep -q '__stack_chk_fail' || fault "no stack protector"
        echo "$names" | grep -Eq '__(memcpy|memset|memmove|read|recv)_chk' || fault "no fortified calls"
        echo "$names" | grep -Eq '__asan|__ubsan' && fault "a sanitizer build"
        case $program in
        */lethectl) ;;
        *) echo "$names" | grep -q ' [tT] __wrap_free' || fault "frees without wiping" ;;
        esac
done
exit $bad

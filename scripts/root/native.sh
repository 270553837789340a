#!/bin/sh
# native.sh: for make NATIVE=1 on a Debian 13 host: says what packages are missing, and makes the one library that Debian
# has no static form of, cJSON, from its source package, in build/native.
set -eu
cd "$(dirname "$0")/../.."
[ ! -e build/native/libcjson.a ] || exit 0
grep -qs '^VERSION_CODENAME=trixie' /etc/os-release || {
        echo "lethe: NATIVE=1 is for Debian 13; without it make builds in a Debian 13 root of its own" >&2
        exit 1
}
missing=$(awk '$1 == "build" { print $2 }' scripts/root/packages.txt | while read -r package; do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || echo "$package"
done)
[ -z "$missing" ] || { echo "lethe: run: sudo apt-get install" $missing >&2; exit 1; }
mkdir -p build/native
cd build/native
apt-get -qq source --download-only cjson || {
        echo "lethe: cJSON's source is needed: add deb-src to this host's apt sources, then apt-get update" >&2
        exit 1
}
dpkg-source --no-check -x ./cjson_*.dsc tree >/dev/null
gcc -std=c99 -O2 -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=3 -c tree/cJSON.c -o cJSON.o
ar rcsD libcjson.a cJSON.o

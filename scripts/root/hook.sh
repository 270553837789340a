#!/bin/sh
# mmdebstrap's customize hook: $1 is the new root. What it does is told by files in LETHE_STAGE:
#   want      lines `name version architecture`: download these packages to out/, name what is gone in out/gone
#   newest    lines `name`: write the newest of each to out/newest, as `name version architecture sha256`
#   source    a line `name [version]`: download that source package to out/
#   build     build the root's own libraries from the source files in src/, list the installed packages in out/installed
set -eu
root=$1
cd "$LETHE_STAGE"
apt() {
        tool=$1
        shift
        APT_CONFIG=$MMDEBSTRAP_APT_CONFIG "apt-$tool" -qq -o APT::Sandbox::User=root "$@"
}

if [ -e source ]; then
        sed -n 's/^deb /deb-src /p' "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/source.list"
        apt get update
        read -r name version <source || true
        (cd out && apt get source --download-only "$name${version:+=$version}") || echo "source $name" >>out/gone
        rm "$root/etc/apt/sources.list.d/source.list"
fi

if [ -e newest ]; then
        while read -r name; do
                # The kernel's own name has its version in it; the metapackage depends on the newest.
                case $name in
                linux-image-*) name=$(apt cache show --no-all-versions "$name" | sed -n 's/^Depends: \([^ ,]*\).*/\1/p') ;;
                esac
                apt cache show --no-all-versions "$name" | awk '/^Package:/ { p = $2 } /^Version:/ { v = $2 }
                        /^Architecture:/ { a = $2 } /^SHA256:/ { s = $2 } END { if (s) print p, v, a, s }'
        done <newest >out/newest
fi

if [ -e want ]; then
        APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-cache dumpavail |
                awk '/^Package:/ { p = $2 } /^Version:/ { v = $2 } /^Architecture:/ { a = $2 } /^$/ { print p, v, a }' >have
        awk 'FNR == NR { have[$0]; next } !($0 in have)' have want >>out/gone
        awk 'FNR == NR { have[$0]; next } $0 in have { print $1 ":" $3 "=" $2 }' have want >get
        [ ! -s get ] || (cd out && xargs -n 100 sh -c 'APT_CONFIG=$MMDEBSTRAP_APT_CONFIG \
                exec apt-get -qq -o APT::Sandbox::User=root download "$@"' sh) <get
fi

if [ -e build ]; then
        mkdir "$root/tmp/cjson"
        cp src/* "$root/tmp/cjson/"
        chroot "$root" sh -eu -c '
                cd /tmp/cjson
                dpkg-source --no-check -x ./*.dsc tree >/dev/null
                gcc -std=c99 -O2 -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
                        -fzero-call-used-regs=used-gpr -D_FORTIFY_SOURCE=3 -ffile-prefix-map=/tmp/cjson=. \
                        -c tree/cJSON.c -o cJSON.o
                ar rcsD /usr/local/lib/libcjson.a cJSON.o
                cd / && rm -rf /tmp/cjson
                : >/etc/lethe-root'
        chroot "$root" dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version} ${Architecture}\n' |
                awk '$1 == "ii" { print $2, $3, $4 }' >out/installed
fi

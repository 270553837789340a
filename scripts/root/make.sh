#!/bin/sh
# make.sh KIND: sees to it that the root of that kind (build, test, fuzz, browser, box) exists, and prints its path.
#
# A root is named by what it is made from, so a changed lock gives a new one beside the old. It is made from the
# package files that scripts/root.lock names, fetched once and checked by their sums. When the mirror no longer has one
# of them the root is made from the newest packages of the suite, and carries a mark that says so.
set -eu
. "$(dirname "$0")/lib.sh"

kind=${1:?kind of root: build, test, fuzz, browser or box}
made_from() {
        locked_rows "$kind"
        locked_sources
        includes "$kind"
        cat "$HERE/root/hook.sh"
}
name=$kind-$(made_from 2>/dev/null | sha256sum | cut -c1-12)
as_root || name=$name-user
root=$CACHE/root/$name
newest=/etc/lethe-root-newest

if [ ! -e "$root/etc/lethe-root" ]; then
        mkdir -p "$CACHE/root" "$CACHE/deb"
        exec 9>"$CACHE/root/$name.busy"
        flock 9
fi

# Asks the mirror for the locked files that the cache does not have. False when one of them is gone.
fetch_locked() {
        locked_rows "$kind" | while read -r package version arch sum; do
                cached "$(deb_file "$package" "$version" "$arch")" "$sum" || echo "$package $version $arch"
        done >"$STAGE/want"
        locked_sources | while read -r package version file sum; do
                cached "$file" "$sum" || echo "$package $version"
        done | sort -u >"$STAGE/source"
        [ -s "$STAGE/source" ] || rm "$STAGE/source"
        if [ ! -s "$STAGE/want" ] && [ ! -e "$STAGE/source" ]; then
                rm "$STAGE/want"
                return
        fi
        say "fetching $(wc -l <"$STAGE/want") packages of the $kind root"
        fetch_wanted
}

# Lays out the cached files as a repository of their own, and the sources for the hook. A file with another sum
# than the lock's ends it all.
lay_out() {
        mkdir "$STAGE/repo" "$STAGE/src"
        locked_rows "$kind" >"$STAGE/rows"
        while read -r package version arch sum; do
                file=$(deb_file "$package" "$version" "$arch")
                cached "$file" "$sum" || die "$file of the mirror is not what scripts/root.lock names: refusing"
                cp --reflink=auto "$CACHE/deb/$file" "$STAGE/repo/"
                dpkg-deb -f "$STAGE/repo/$file"
                printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$STAGE/repo/$file")" "$sum"
        done <"$STAGE/rows" >"$STAGE/repo/Packages"
        locked_sources >"$STAGE/rows"
        while read -r package version file sum; do
                cached "$file" "$sum" || die "$file of the mirror is not what scripts/root.lock names: refusing"
                cp "$CACHE/deb/$file" "$STAGE/src/"
        done <"$STAGE/rows"
        chmod -R a+rX "$STAGE/repo" "$STAGE/src"
}

from_lock() {
        [ -s "$LOCK_FILE" ] || return 1
        fetch_locked || return 1
        lay_out
        say "making the $kind root from $(find "$STAGE/repo" -name '*.deb' | wc -l) locked packages"
        : >"$STAGE/build"
        # Every file was compared with the lock, which is part of the project; the repository needs no signature.
        debstrap apt "$STAGE/root.tar" --include="$(includes "$kind")" \
                --hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount \
                $SUITE "$STAGE/root.tar" "deb [trusted=yes] file://$STAGE/repo ./" || die "mmdebstrap failed"
        locked_rows "$kind" | cut -d' ' -f1-3 | LC_ALL=C sort >"$STAGE/expected"
        LC_ALL=C sort "$STAGE/out/installed" | cmp -s - "$STAGE/expected" ||
                die "the root does not hold exactly what scripts/root.lock names; run make lock"
}

from_suite() {
        say "making the $kind root from the newest packages of $SUITE; make lock pins them"
        rm -rf "$STAGE/out" "$STAGE/src" "$STAGE/repo"
        mkdir "$STAGE/out" "$STAGE/src" && chmod 0777 "$STAGE/out"
        echo cjson >"$STAGE/source"
        debstrap custom /dev/null $SUITE /dev/null || die "the mirror does not answer"
        rm "$STAGE/source"
        mv "$STAGE"/out/* "$STAGE/src/"
        chmod a+r "$STAGE"/src/*
        : >"$STAGE/build"
        debstrap apt "$STAGE/root.tar" --include="$(includes "$kind")" $SUITE "$STAGE/root.tar" || die "mmdebstrap failed"
        : >"$STAGE/newest"
}

unpack() {
        mapped rm -rf "$root.new"
        mkdir "$root.new"
        mapped tar -C "$root.new" --exclude='./dev/*' -xpf "$STAGE/root.tar"
        [ ! -e "$STAGE/newest" ] || mapped sh -c ": >'$root.new$newest'"
        rm "$STAGE/root.tar"
        mv "$root.new" "$root"
}

if [ ! -e "$root/etc/lethe-root" ]; then
        need_host
        new_stage
        from_lock || from_suite
        unpack
        rm -f "$CACHE/root/$name.busy"
fi
[ ! -e "$root$newest" ] || say "note: this root has newer packages than scripts/root.lock names"
printf "%s\n" "$root"

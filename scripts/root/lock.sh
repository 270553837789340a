#!/bin/sh
# lock.sh: writes scripts/root.lock anew from the newest packages of the suite.
#
# Every root is made once from the mirror; what it then holds is what is locked. All roots must agree on the packages
# they share, which fails only when the mirror changes in between.
set -eu
. "$(dirname "$0")/lib.sh"

need_host
mkdir -p "$CACHE/deb"
new_stage
rows=$STAGE/rows
: >"$rows"

say "asking the mirror for cJSON's source, and for the image's parts"
echo cjson >"$STAGE/source"
awk '$1 == "image" { print $2 }' "$PACKAGES" >"$STAGE/newest"
debstrap custom /dev/null $SUITE /dev/null
# The sums are those of the mirror's signed index: make image fetches the files.
sed 's/^/image /' "$STAGE/out/newest" >>"$rows"
[ "$(wc -l <"$STAGE/newest")" -eq "$(wc -l <"$STAGE/out/newest")" ] || die "the mirror does not have all parts of the image"
rm "$STAGE/source" "$STAGE/newest" "$STAGE/out/newest"
mkdir "$STAGE/src"
mv "$STAGE"/out/* "$STAGE/src/"
chmod a+r "$STAGE"/src/*
cp "$STAGE"/src/* "$CACHE/deb/"
version=$(sed -n 's/^Version: //p' "$STAGE"/src/*.dsc | head -1)
(cd "$STAGE/src" && sha256sum -- *) | while read -r sum file; do
        echo "source cjson $version $file $sum"
done >>"$rows"

: >"$STAGE/build"
for kind in build test fuzz browser box; do
        say "making the $kind root once to see what it holds"
        debstrap apt "$STAGE/root.tar" --include="$(includes $kind)" --skip=download/empty --skip=essential/unlink \
                --setup-hook='mkdir -p "$1"/var/cache/apt/archives' \
                --setup-hook="sync-in $CACHE/deb /var/cache/apt/archives" \
                --customize-hook='sync-out /var/cache/apt/archives '"$STAGE/out" \
                $SUITE "$STAGE/root.tar"
        rm "$STAGE/root.tar"
        while read -r package version arch; do
                file=$(deb_file "$package" "$version" "$arch")
                [ -e "$STAGE/out/$file" ] || die "$file was installed and is not in the cache of the root"
                echo "$kind $package $version $arch $(sha256sum <"$STAGE/out/$file" | cut -d' ' -f1)"
                cp "$STAGE/out/$file" "$CACHE/deb/"
        done <"$STAGE/out/installed" >"$STAGE/$kind.rows"
        rm -f "$STAGE"/out/*.deb "$STAGE/out/installed"
done
mv "$STAGE/build.rows" "$STAGE/build.own"
for kind in test fuzz browser box; do
        for held in $(kinds_in $kind | sed "s/ $kind$//"); do
                sed "s/^$held/$kind/" "$STAGE/$held.own"
        done | LC_ALL=C sort >"$STAGE/shared"
        LC_ALL=C sort "$STAGE/$kind.rows" >"$STAGE/sorted"
        LC_ALL=C comm -23 "$STAGE/shared" "$STAGE/sorted" >"$STAGE/lost"
        [ ! -s "$STAGE/lost" ] || die "the $kind root lacks of those below it: $(head -1 "$STAGE/lost"); try again"
        LC_ALL=C comm -13 "$STAGE/shared" "$STAGE/sorted" >"$STAGE/$kind.own"
done
cat "$STAGE"/*.own >>"$rows"

{
        echo "# Every package of the Debian 13 roots: root package version architecture sha256 of the package file."
        echo "# The test, fuzz and browser roots hold the build rows too, the box root those and the test rows. Source rows: package"
        echo "# version file sha256. Image rows:"
        echo "# package files of which the bootable image is made; no root holds them."
        echo "# Written by make lock."
        LC_ALL=C sort "$rows"
} >"$LOCK_FILE.new"
mv "$LOCK_FILE.new" "$LOCK_FILE"
say "scripts/root.lock names $(grep -vc '^#' "$LOCK_FILE") files; commit it"

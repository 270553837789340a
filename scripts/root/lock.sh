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

say "asking the mirror for cJSON's source"
echo cjson >"$STAGE/source"
debstrap custom /dev/null $SUITE /dev/null
rm "$STAGE/source"
mkdir "$STAGE/src"
mv "$STAGE"/out/* "$STAGE/src/"
chmod a+r "$STAGE"/src/*
cp "$STAGE"/src/* "$CACHE/deb/"
version=$(sed -n 's/^Version: //p' "$STAGE"/src/*.dsc | head -1)
(cd "$STAGE/src" && sha256sum -- *) | while read -r sum file; do
        echo "source cjson $version $file $sum"
done >>"$rows"

: >"$STAGE/build"
for kind in build test fuzz; do
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
for kind in test fuzz; do
        sed 's/^build/'$kind'/' "$STAGE/build.rows" | LC_ALL=C sort >"$STAGE/shared"
        LC_ALL=C sort "$STAGE/$kind.rows" >"$STAGE/sorted"
        LC_ALL=C comm -23 "$STAGE/shared" "$STAGE/sorted" >"$STAGE/lost"
        [ ! -s "$STAGE/lost" ] || die "the $kind root lacks of the build root: $(head -1 "$STAGE/lost"); try again"
        LC_ALL=C comm -13 "$STAGE/shared" "$STAGE/sorted" >>"$rows"
done
cat "$STAGE/build.rows" >>"$rows"

{
        echo "# Every package of the Debian 13 roots: root package version architecture sha256 of the package file."
        echo "# The test and fuzz roots hold the build rows too. Source rows: package version file sha256."
        echo "# Written by make lock."
        LC_ALL=C sort "$rows"
} >"$LOCK_FILE.new"
mv "$LOCK_FILE.new" "$LOCK_FILE"
say "scripts/root.lock names $(grep -vc '^#' "$LOCK_FILE") files; commit it"

#!/bin/sh
# fetch.sh: sees to it that the cache holds the parts of the image, the package files of the image rows of
# scripts/root.lock. Another version is no substitute: an image is made from what is locked, or not at all.
set -eu
. "$(dirname "$0")/lib.sh"

missing() {
        image_rows | while read -r package version arch sum; do
                cached "$(deb_file "$package" "$version" "$arch")" "$sum" || echo "$package $version $arch"
        done
}

[ -n "$(image_rows)" ] || die "scripts/root.lock names no parts of the image; run make lock and commit it"
[ -n "$(missing)" ] || exit 0
need_host
mkdir -p "$CACHE/deb"
exec 9>"$CACHE/deb.busy"
flock 9
new_stage
missing >"$STAGE/want"
[ -s "$STAGE/want" ] || exit 0
say "fetching $(wc -l <"$STAGE/want") parts of the image"
fetch_wanted ||
        die "no image without them: run make lock, commit scripts/root.lock, then make image (or put the files into $CACHE/deb)"
left=$(missing)
[ -z "$left" ] || die "of the mirror, but not what scripts/root.lock names: $left: refusing"

# Sourced by the scripts of this folder: where roots live, and how mmdebstrap is called.
# Everything said goes to standard error; standard output is for the caller.

HERE=$(cd "$(dirname "$0")" && pwd)
while [ ! -f "$HERE/root/packages.txt" ]; do HERE=$(dirname "$HERE"); done
LOCK_FILE=$HERE/root.lock
PACKAGES=$HERE/root/packages.txt
CACHE=${LETHE_CACHE:-${HOME:?}/.cache/lethe}
SUITE=trixie

say() { printf 'lethe: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

as_root() { [ "$(id -u)" -eq 0 ]; }

# Runs a command as root of a user namespace in which the caller's files are root's; as root, plainly.
mapped() {
        if as_root; then "$@"; else unshare --user --map-root-user --map-auto -- "$@"; fi
}

# The host's part: tools, and for a plain user a namespace with room for Debian's users.
need_host() {
        missing=
        command -v mmdebstrap >/dev/null && [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
                missing="mmdebstrap debian-archive-keyring"
        command -v mount >/dev/null || missing="$missing mount"
        as_root || command -v newuidmap >/dev/null || missing="$missing uidmap"
        missing=$(echo $missing)
        if [ -n "$missing" ]; then
                command -v apt-get >/dev/null ||
                        die "this host lacks $missing, and has no apt to get it; see README.md for hosts that work"
                as_root || die "this host lacks packages; run: sudo apt-get install $missing"
                say "installing on this host: $missing"
                DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2 ||
                        { apt-get update >&2 &&
                                DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2; } ||
                        die "could not install $missing"
        fi
        as_root || need_user_namespace
}

need_user_namespace() {
        grep -q "^\($(id -un)\|$(id -u)\):" /etc/subuid 2>/dev/null ||
                die "no subordinate user ids; run: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)"
        mapped unshare --mount true 2>/dev/null && return
        if [ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null)" = 1 ]; then
                say "this kernel keeps user namespaces from plain users (Ubuntu 24.04 does). Either run make as root,"
                say "or allow them until the next boot: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        else
                say "user namespaces do not work here. Either run make as root,"
                say "or allow them until the next boot: sudo sysctl kernel.unprivileged_userns_clone=1"
        fi
        exit 1
}

# A root holds what those named with it do, and more.
kinds_in() {
        case $1 in
        build) echo build ;;
        box) echo build test box ;;
        *) echo build "$1" ;;
        esac
}

# Package names of a kind, comma separated.
includes() {
        awk -v kinds=" $(kinds_in "$1") " 'index(kinds, " " $1 " ") { printf "%s%s", sep, $2; sep = "," }' "$PACKAGES"
}

# Lock rows of a kind: name version architecture sha256.
locked_rows() {
        awk -v kinds=" $(kinds_in "$1") " 'index(kinds, " " $1 " ") { print $2, $3, $4, $5 }' "$LOCK_FILE"
}

# Lock rows of source files: package version file sha256.
locked_sources() { awk '$1 == "source" { print $2, $3, $4, $5 }' "$LOCK_FILE"; }

# Lock rows of the image's parts: name version architecture sha256.
image_rows() { awk '$1 == "image" { print $2, $3, $4, $5 }' "$LOCK_FILE"; }

# As apt names a file: the colon of an epoch escaped.
deb_file() { printf '%s_%s_%s.deb\n' "$1" "$(printf %s "$2" | sed 's/:/%3a/')" "$3"; }

# True when the cache has that file with that sum; a file with another sum is thrown away.
cached() {
        [ -f "$CACHE/deb/$1" ] || return 1
        [ "$(sha256sum <"$CACHE/deb/$1" | cut -d' ' -f1)" = "$2" ] && return
        say "$1 in the cache is not what the lock names; fetching it again"
        rm -f "$CACHE/deb/$1"
        return 1
}

# A folder that the mapped root of mmdebstrap can reach even when home is closed to others.
new_stage() {
        STAGE=$(mktemp -d "${TMPDIR:-/var/tmp}/lethe-stage.XXXXXX")
        chmod 0777 "$STAGE"
        mkdir "$STAGE/out" "$STAGE/tmp" && chmod 0777 "$STAGE/out" "$STAGE/tmp"
        cp "$HERE/root/hook.sh" "$STAGE/hook.sh" && chmod 0755 "$STAGE/hook.sh"
        trap 'rm -rf "$STAGE"' EXIT
        trap 'exit 130' INT TERM HUP
}

# debstrap VARIANT OUTPUT [option...]: mmdebstrap as this host can run it. Without a mirror argument it takes the
# suite's own. LETHE_STAGE tells the hook where to read and write.
debstrap() {
        variant=$1 output=$2
        shift 2
        mode=unshare
        as_root && mode=root
        LETHE_STAGE=$STAGE TMPDIR=$STAGE/tmp SOURCE_DATE_EPOCH=0 mmdebstrap --quiet --mode=$mode --variant="$variant" \
                --aptopt='Acquire::Retries "3"' \
                --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
                --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
                "$@" --customize-hook="$STAGE/hook.sh \"\$1\"" >&2
}

# Fetches what stands in the stage's `want` and `source` into the cache. False when something of it is gone.
fetch_wanted() {
        debstrap custom /dev/null $SUITE /dev/null || return 1
        rm -f "$STAGE/want" "$STAGE/source"
        find "$STAGE/out" -type f ! -name gone -exec cp -t "$CACHE/deb" {} +
        [ -s "$STAGE/out/gone" ] || return 0
        say "no longer on the mirror: $(tr '\n' ';' <"$STAGE/out/gone")"
        return 1
}

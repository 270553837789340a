#!/bin/sh
# What lethe-relay is linked from: none of our own objects calls anything that formats, logs, opens or names a file,
# starts a program or reads the environment; and nothing of ours asks the TLS library for its keys or its debug output.
set -eu
cd "$(dirname "$0")/.."
map=build/obj/release/lethe_relay.map
[ -e $map ] || { echo "$map: build lethe-relay first"; exit 1; }
objects=$(grep -o 'build/obj/release/src/[a-z0-9_/]*\.o\|lethe\.a(src/[a-z0-9_/]*\.o)' $map | sed 's/lethe\.a(\(.*\))/build\/obj\/release\/\1/' | sort -u)
[ "$(echo "$objects" | wc -l)" -gt 10 ] || { echo "$map names too few objects to be believed"; exit 1; }
formats='_*v?[fsd]?n?printf(_chk)?|_*v?asprintf(_chk)?|f?puts|f?putc|putchar|fwrite|perror|psignal|v?syslog|openlog'
files='f?open(64)?|fdopen|freopen(64)?|_*open(at)?(64)?(_2)?|creat(64)?|mkstemp.*|mkdir(at)?|rename.*|(un|sym)?link(at)?|mknod.*'
writes='pwritev?.*|f?truncate.*|fallocate.*|posix_fallocate.*|sendfile.*|splice|copy_file_range|memfd_create|shm_open'
others='exec[lv].*|fexecve|posix_spawn.*|system|popen|v?fork|(secure_)?getenv|[sp]utenv|dlopen|getaddrinfo|get(pw|gr).*|ptrace'
tls='mbedtls_ssl_set_export_keys_cb|mbedtls_ssl_conf_dbg|mbedtls_debug_set_threshold'
bad=0
for object in $objects; do
        calls=$(nm -u "$object" | awk '{ print $2 }' | grep -Ex "$formats|$files|$writes|$others|$tls" || true)
        [ -z "$calls" ] || { echo "$object:" $calls; bad=1; }
done
echo "# $(echo "$objects" | wc -l) objects"
exit $bad

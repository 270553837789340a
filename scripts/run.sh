#!/bin/sh
# run.sh: lethed on this machine before the mock vendor, for trying it out. Started by make run, which builds first.
#
# Everything lives in build/run and stays from run to run: vault, key file, certificates, client key, configuration.
# Ctrl-C or SIGTERM ends it all and leaves a signed usage export.
set -eu
cd "$(dirname "$0")/.."
tree=$PWD
run=$tree/build/run
bin=$tree/build/bin
port=${LETHE_PORT:-8443}
admin_port=${LETHE_ADMIN_PORT:-9443}
vendor_port=${LETHE_VENDOR_PORT:-9100}
umask 077

say() {
        printf '%s\n' "$*"
}

random_hex() {
        head -c "$1" /dev/urandom | od -An -tx1 | tr -d ' \n'
}

ctl() {
        env -u LETHE_ADMIN_URL -u LETHE_ADMIN_TOKEN "$bin/lethectl" "$@"
}

# A vault, what is in it, and the two secrets people hold. Made whole or not at all: keys.complete comes last.
make_secrets() {
        [ ! -e "$run/keys.complete" ] || return 0
        rm -f "$run/state" "$run/vault.key" "$run/config/lethe.json"
        printf 'sk-mock-%s\n' "$(random_hex 16)" >"$run/vendor.keys"
        ctl vault init --state "$run/state" --key-file "$run/vault.key" >/dev/null
        ctl vault put mock --host mock.vendor.test --state "$run/state" --key-file "$run/vault.key" --stdin \
                <"$run/vendor.keys" >/dev/null
        ctl key make --project demo --json --state "$run/state" --key-file "$run/vault.key" >"$run/client.json"
        ctl admin token --json >"$run/admin.json"
        : >"$run/keys.complete"
}

# member FILE NAME: a string member of the one-line JSON that lethectl prints; entry FILE: its object to paste.
member() {
        sed 's/.*"'"$2"'":"\([^"]*\)".*/\1/' "$1"
}

entry() {
        sed 's/.*"entry":\({.*}\)}$/\1/' "$1"
}

# What is there stays, so that it can be edited and tried.
make_config() {
        config=$run/config
        mkdir -p "$config/tls" "$config/ca"
        for name in server admin; do
                cp "$run/certs/$name.crt" "$run/certs/$name.key" "$config/tls/"
        done
        cp "$run/certs/vendor-ca.crt" "$config/ca/mock.pem"
        [ -e "$config/policy.json" ] || cp policy/default.json "$config/policy.json"
        [ -e "$config/lethe.json" ] || cat >"$config/lethe.json" <<END
{
  "lethe": "config/1",
  "hosts": ["localhost", "127.0.0.1"],
  "keys": [
    $(entry "$run/client.json")
  ],
  "upstreams": [
    {
      "name": "mock", "vendor": "mock", "base_url": "https://mock.vendor.test:$vendor_port/v1", "ca": "mock.pem",
      "addresses": ["127.0.0.1"], "local": ["127.0.0.0/8"], "credential": "mock"
    }
  ],
  "models": [
    { "name": "demo", "targets": [{ "upstream": "mock", "model": "mock-1" }] },
    { "name": "demo-slow", "targets": [{ "upstream": "mock", "model": "mock:gap_ms:150" }] },
    { "name": "demo-embed", "targets": [{ "upstream": "mock", "model": "mock-embed" }] }
  ],
  "admin": [
    $(entry "$run/admin.json")
  ]
}
END
        ctl check "$config/lethe.json" "$config/policy.json" >"$run/check.log" 2>&1 || {
                cat "$run/check.log" >&2
                say "build/run/config is not what this version wants. Mend it, or remove build/run to start afresh." >&2
                exit 1
        }
}

write_env() {
        key=$(member "$run/client.json" key)
        token=$(member "$run/admin.json" token)
        cat >"$run/env.new" <<END
OPENAI_BASE_URL=https://127.0.0.1:$port/v1
OPENAI_API_KEY=$key
ANTHROPIC_BASE_URL=https://127.0.0.1:$port
ANTHROPIC_API_KEY=$key
SSL_CERT_FILE=$run/certs/client-ca.crt
NODE_EXTRA_CA_CERTS=$run/certs/client-ca.crt
LETHE_ADMIN_URL=https://127.0.0.1:$admin_port
LETHE_ADMIN_TOKEN=$token
END
        mv "$run/env.new" "$run/env"
}

alive() {
        [ -n "$1" ] && kill -0 "$1" 2>/dev/null
}

# Waits for a process to end, however often a signal interrupts.
reap() {
        [ -n "$1" ] || return 0
        status=0
        while :; do
                wait "$1" && status=0 || status=$?
                alive "$1" || return $status
        done
}

# lethed first: it lets running answers end, and the vendor is still there to give them.
end_all() {
        trap '' EXIT
        trap : INT TERM HUP
        ! alive "$watcher" || kill "$watcher"
        ! alive "$lethed" || kill -TERM "$lethed"
        reap "$lethed" && lethed_status=0 || lethed_status=$?
        ! alive "$vendor" || kill -TERM "$vendor"
        reap "$vendor" || true
}

wait_ready() {
        tries=0
        until LETHE_ADMIN_TOKEN=$token "$bin/lethectl" ready --admin "https://127.0.0.1:$admin_port" \
                --ca "$run/certs/client-ca.crt" >"$run/ready.log" 2>&1; do
                tries=$((tries + 1))
                alive "$lethed" && alive "$vendor" && [ $tries -lt 150 ] && [ -z "$stopping" ] || return 1
                sleep 0.1
        done
}

welcome() {
        cat <<END

Lethe is ready: https://127.0.0.1:$port (management: https://127.0.0.1:$admin_port). Behind it stands a mock vendor,
which prints what it receives. Try this, and compare what you get with what the vendor received:

curl --cacert build/run/certs/client-ca.crt https://127.0.0.1:$port/v1/chat/completions -H 'Authorization: Bearer $key' -H 'Content-Type: application/json' -d '{"model":"demo","messages":[{"role":"user","content":"Please write to ana.lopez@kontor-nord.de"}]}'

For an official client: set -a; . build/run/env; set +a
Ctrl-C ends it and writes a signed usage export.

END
}

# The export that a clean end has written, and the line by which anyone verifies it.
pull_export() {
        mkdir -p "$run/exports"
        say ""
        ctl export pull --state "$run/state" --key-file "$run/vault.key" --out "$run/exports"
        say "(no minisign on this machine? the same line behind scripts/in-root)"
}

# A make that is told to end by SIGINT alone, without its group, waits for us and tells nobody: what shows is that it no
# longer catches the signal. A make that has died shows too.
make_catches_int() {
        case $(sed -n 's/^SigCgt:.*\(.\)$/\1/p' "/proc/$PPID/status" 2>/dev/null) in
        [2367abef]) return 0 ;;
        esac
        return 1
}

watch_make() {
        while make_catches_int; do sleep 0.5; done
        kill -TERM $$
}

mkdir -p "$run"
exec 9>"$run/busy"
flock -n 9 || { say "make run is already at work in this checkout" >&2; exit 1; }
scripts/in-root scripts/run-certs.sh "$run/certs"
make_secrets
make_config
write_env

vendor= lethed= watcher= stopping=
trap 'stopping=1' INT TERM HUP
trap 'end_all' EXIT
"$bin/mock-vendor" --listen "127.0.0.1:$vendor_port" --tls-cert "$run/certs/vendor.crt" \
        --tls-key "$run/certs/vendor.key" --key "$run/vendor.keys" --ledger "$run/vendor.ledger" --show 9>&- &
vendor=$!
if [ -n "${MAKELEVEL:-}" ] && make_catches_int; then
        watch_make 9>&- &
        watcher=$!
fi
"$bin/lethed" --config "$run/config" --state "$run/state" --key-file "$run/vault.key" \
        --listen "127.0.0.1:$port" --admin "127.0.0.1:$admin_port" 9>&- &
lethed=$!

if wait_ready; then
        welcome
        while [ -z "$stopping" ] && alive "$lethed"; do
                wait "$lethed" || true
        done
elif [ -z "$stopping" ]; then
        cat "$run/ready.log" >&2
        say "lethed did not become ready" >&2
fi
end_all
[ "$lethed_status" -eq 0 ] || { say "lethed ended with status $lethed_status" >&2; exit 1; }
pull_export

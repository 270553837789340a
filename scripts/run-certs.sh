#!/bin/sh
# run-certs.sh DIR: throw-away certificates for a relay before a mock vendor. Two authorities, so that neither side
# could pass for the other: client-ca signs what callers see (server, admin), vendor-ca what the relay sees (vendor).
# What is there and good for another week stays.
set -eu
dir=$1
umask 077
mkdir -p "$dir"
cd "$dir"

good() {
        [ -s "$1.key" ] && openssl x509 -in "$1.crt" -noout -checkend 604800 >/dev/null 2>&1
}

authority() {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Lethe throw-away $1" \
                -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
                -keyout "$1.key" -out "$1.crt" 2>/dev/null
}

# leaf NAME AUTHORITY SUBJECT_ALT_NAMES
leaf() {
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
                -keyout "$1.key" -out "$1.csr" 2>/dev/null
        printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
                extendedKeyUsage=serverAuth "subjectAltName=$3" >"$1.ext"
        openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 365 -extfile "$1.ext" \
                -out "$1.crt" 2>/dev/null
        rm -f "$1.csr" "$1.ext"
}

for name in client-ca vendor-ca server admin vendor; do
        good "$name" && continue
        authority client-ca
        authority vendor-ca
        leaf server client-ca DNS:localhost,IP:127.0.0.1,IP:::1
        leaf admin client-ca DNS:localhost,IP:127.0.0.1,IP:::1
        leaf vendor vendor-ca "DNS:*.vendor.test,DNS:vendor.test,DNS:localhost,IP:127.0.0.1"
        break
done

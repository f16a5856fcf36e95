#!/usr/bin/env bash
# A private certificate authority and certificates of servers, for tests and
# small installations. Clients pin its root: sslmode=verify-full
# sslrootcert=root.crt. It signs for these servers only, so that no public
# authority can vouch for an impostor.
#
#   make_certificates.sh DIR NAME [HOST…]     DIR/NAME.crt and DIR/NAME.key for the
#                                             host names (default: NAME); makes
#                                             DIR/root.crt first if it is missing
#   make_certificates.sh --self-signed DIR NAME [HOST…]
#                                             a certificate to be pinned itself
#
# Existing keys are never overwritten: renew under another name, or move the old
# one away. root.key signs certificates: keep it off every server.
set -euo pipefail
umask 077
readonly DAYS_OF_ROOT=3650 DAYS=397

die() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

self_signed=no
if [[ ${1:-} == --self-signed ]]; then
    self_signed=yes
    shift
fi
[[ $# -ge 2 && $1 != -* && $2 =~ ^[A-Za-z0-9_.-]+$ && $2 != root ]] ||
    die "usage: make_certificates.sh [--self-signed] DIR NAME [HOST…]"
directory=$1 name=$2
shift 2
[[ $# -gt 0 ]] || set -- "$name"
mkdir -p "$directory"
cd "$directory"
[[ ! -e $name.key && ! -e $name.crt ]] || die "$directory/$name.key or .crt exists already"

subject_alternatives() {
    local host list=''
    for host in "$@"; do
        [[ $host =~ ^[A-Za-z0-9:._-]+$ ]] || die "not a host name: $host"
        if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then list+=",IP:$host"; else list+=",DNS:$host"; fi
    done
    printf '%s' "${list#,}"
}

new_key() {
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null ||
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

extensions() { # HOST…
    printf '%s\n' "basicConstraints = critical,CA:FALSE" "keyUsage = critical,digitalSignature" \
        "extendedKeyUsage = serverAuth" "subjectAltName = $(subject_alternatives "$@")"
}

if [[ $self_signed == no && ! -e root.key ]]; then
    [[ ! -e root.crt ]] || die "root.crt is here, root.key is not: sign where the key is kept"
    new_key root.key
    openssl req -x509 -new -key root.key -sha256 -days "$DAYS_OF_ROOT" -subj '/CN=mindmeasure root' \
        -addext 'basicConstraints = critical,CA:TRUE,pathlen:0' -addext 'keyUsage = critical,keyCertSign,cRLSign' -out root.crt
fi
new_key "$name.key"
if [[ $self_signed == yes ]]; then
    openssl req -x509 -new -key "$name.key" -sha256 -days "$DAYS" -subj "/CN=$1" \
        -addext "subjectAltName = $(subject_alternatives "$@")" -addext 'extendedKeyUsage = serverAuth' -out "$name.crt"
else
    openssl req -new -key "$name.key" -subj "/CN=$1" |
        openssl x509 -req -CA root.crt -CAkey root.key -set_serial "0x$(openssl rand -hex 16)" -sha256 -days "$DAYS" \
            -extfile <(extensions "$@") -out "$name.crt" 2>/dev/null
    openssl verify -x509_strict -CAfile root.crt "$name.crt" >/dev/null || die "$name.crt does not verify"
fi
chmod 644 "$name.crt"
[[ ! -e root.crt ]] || chmod 644 root.crt
openssl x509 -in "$name.crt" -noout -subject -enddate -fingerprint -sha256

# shellcheck shell=bash
# Brings a Debian machine with Rust to the point where the extension is
# installed. To be sourced; pg_demo.sh and pg_test.sh call
#   setup_for_demo | setup_for_tests     what they need is there, or a clear end
#   install_extension                    build and install
# PG_MAJOR (15) or PG_CONFIG choose the PostgreSQL.

# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly CARGO_PGRX_VERSION=0.18.1
readonly RUST_WANTED=1.95
MM_LOGS=$MM_ROOT/target/logs

# as_root COMMAND…
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif ! command -v sudo >/dev/null; then
        die 3 "root rights are needed for: $*" "run as root, or install sudo"
    elif (: </dev/tty) 2>/dev/null; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# ---- Rust ------------------------------------------------------------------

check_rust() {
    local cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin found
    case ":$PATH:" in
        *":$cargo_bin:"*) ;;
        *) PATH=$PATH:$cargo_bin ;;
    esac
    command -v cargo >/dev/null ||
        die 3 "cargo is not installed" "install Rust $RUST_WANTED or newer from https://rustup.rs"
    found=$(cd "$MM_ROOT" && rustc --version | cut -d ' ' -f 2) ||
        die 3 "rustc does not start" "rustup default stable"
    if ! printf '%s\n' "$RUST_WANTED" "${found%%-*}" | sort -V -C; then
        die 3 "rustc $found is too old, $RUST_WANTED is wanted" "rustup update stable"
    fi
}

check_rust_components() {
    { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 ||
        die 3 "rustfmt or clippy is missing" "rustup component add rustfmt clippy"
}

cargo_pgrx_is_right() {
    [[ "$(cargo pgrx --version 2>/dev/null)" == "cargo-pgrx $CARGO_PGRX_VERSION" ]]
}

ensure_cargo_pgrx() {
    if cargo_pgrx_is_right; then
        return
    fi
    step "building cargo-pgrx $CARGO_PGRX_VERSION (once; about 3 minutes) …"
    # A debug build takes a third of the time and does no less.
    must_run "$MM_LOGS/cargo-pgrx.log" \
        "check the network (crates.io), then run this again" \
        env CARGO_PROFILE_DEV_DEBUG=0 \
        cargo install cargo-pgrx --version "$CARGO_PGRX_VERSION" --locked --debug --force
    cargo_pgrx_is_right ||
        die 4 "another cargo-pgrx than $CARGO_PGRX_VERSION comes first in PATH" \
            "put ${CARGO_HOME:-$HOME/.cargo}/bin first in PATH"
}

# ---- Debian packages -------------------------------------------------------

package_is_installed() {
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

# Debian's packages create and start a cluster "main" by themselves; nobody
# asked for one. The rule is taken away again afterwards.
without_main_cluster() {
    local directory=/etc/postgresql-common/createcluster.d status=0
    local rule=$directory/00-mindmeasure-setup.conf
    as_root mkdir -p "$directory"
    as_root sh -c "echo 'create_main_cluster = false' >'$rule'"
    "$@" || status=$?
    as_root rm -f "$rule"
    return "$status"
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$@"
}

# ensure_packages PACKAGE…: by apt, only what is missing.
ensure_packages() {
    local package missing=() remedy
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        check_without_apt "$@"
        return
    fi
    for package in "$@"; do
        package_is_installed "$package" || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    [[ $EUID -eq 0 ]] || command -v sudo >/dev/null ||
        die 3 "missing packages, and neither root nor sudo: ${missing[*]}" \
            "as root: apt-get install ${missing[*]}"
    remedy="check the network and /etc/apt/sources.list, then: apt-get update && apt-get install ${missing[*]}"
    step "installing by apt: ${missing[*]}"
    must_run "$MM_LOGS/apt-update.log" "$remedy" as_root apt-get update -q
    for package in "${missing[@]}"; do
        apt-cache show "$package" >/dev/null 2>&1 ||
            die 3 "apt knows no package $package" \
                "$remedy (other PostgreSQL majors: add apt.postgresql.org, or set PG_CONFIG)"
    done
    must_run "$MM_LOGS/apt-install.log" "$remedy" without_main_cluster apt_install "${missing[@]}"
}

# Elsewhere nothing can be installed, but what is there may be enough.
check_without_apt() {
    local tool
    for tool in cc pkg-config python3 "$PG_CONFIG"; do
        command -v "$tool" >/dev/null ||
            die 3 "$tool is missing, and there is no apt to install it" \
                "install by hand what these Debian packages hold: $*"
    done
}

# ---- PostgreSQL ------------------------------------------------------------

# choose_postgres: PG_CONFIG and PG_MAJOR; MM_PG_IS_DEBIAN says whether apt
# is answerable for that PostgreSQL.
choose_postgres() {
    local standard
    if [[ -n ${PG_CONFIG:-} ]]; then
        [[ -x $PG_CONFIG ]] || die 2 "PG_CONFIG=$PG_CONFIG cannot be run" "name an existing pg_config"
        PG_MAJOR=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
    fi
    PG_MAJOR=${PG_MAJOR:-15}
    [[ $PG_MAJOR =~ ^1[5-8]$ ]] ||
        die 2 "PostgreSQL $PG_MAJOR is not supported" "use PostgreSQL 15, 16, 17 or 18 (PG_MAJOR, PG_CONFIG)"
    standard=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config
    PG_CONFIG=${PG_CONFIG:-$standard}
    MM_PG_IS_DEBIAN=$([[ $PG_CONFIG == "$standard" ]] && echo yes || echo no)
}

postgres_packages() {
    if [[ $MM_PG_IS_DEBIAN == yes ]]; then
        printf '%s\n' "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR" "$@"
    fi
}

# postgres_is_there: after the packages; fixes what all later steps use.
postgres_is_there() {
    [[ -x $PG_CONFIG ]] || die 3 "$PG_CONFIG is missing" "apt-get install postgresql-server-dev-$PG_MAJOR"
    PG_BIN=$("$PG_CONFIG" --bindir)
    [[ -x $PG_BIN/initdb ]] || die 3 "$PG_BIN/initdb is missing" "install the PostgreSQL $PG_MAJOR server"
    [[ -f "$("$PG_CONFIG" --includedir-server)/postgres.h" ]] ||
        die 3 "the server headers of PostgreSQL $PG_MAJOR are missing" \
            "install postgresql-server-dev-$PG_MAJOR"
    export PG_MAJOR PG_CONFIG PG_BIN
    # With this no `cargo pgrx init` and no ~/.pgrx is needed, and every cargo
    # command sees the same PostgreSQL (else pgrx would be rebuilt in turn).
    export PGRX_PG_CONFIG_PATH=$PG_CONFIG
    # shellcheck disable=SC2034 # used by pg_test.sh
    MM_FEATURES=()
    # shellcheck disable=SC2034
    [[ $PG_MAJOR == 15 ]] || MM_FEATURES=(--no-default-features --features "pg$PG_MAJOR")
}

# ---- what the two commands call --------------------------------------------

setup_for_demo() {
    local packages
    check_rust
    choose_postgres
    mapfile -t packages < <(postgres_packages)
    # gcc links Rust; pkg-config and libssl-dev are for cargo-pgrx.
    ensure_packages gcc libc6-dev pkg-config libssl-dev ${packages[@]+"${packages[@]}"}
    postgres_is_there
    ensure_cargo_pgrx
}

setup_for_tests() {
    local packages
    check_rust
    check_rust_components
    choose_postgres
    mapfile -t packages < <(postgres_packages "postgresql-$PG_MAJOR-pgtap" \
        "postgresql-$PG_MAJOR-cron" "postgresql-$PG_MAJOR-pgaudit" "postgresql-$PG_MAJOR-plpgsql-check")
    ensure_packages gcc libc6-dev pkg-config libssl-dev ${packages[@]+"${packages[@]}"} \
        libtap-parser-sourcehandler-pgtap-perl python3 python3-venv chromium \
        pgbackrest pgbouncer age openssl faketime sqlsmith curl poppler-utils
    postgres_is_there
    [[ -f "$("$PG_CONFIG" --sharedir)/extension/pgtap.control" ]] ||
        die 3 "pgTAP is not installed for $PG_CONFIG" "install pgTAP into that PostgreSQL"
    ensure_cargo_pgrx
}

# build_extension: build and install; returns non-zero and shows the log on failure.
build_extension() {
    local log=$MM_LOGS/install.log
    if ! run_logged "$log" "$MM_ROOT/scripts/install.sh"; then
        show_log "$log"
        return 1
    fi
}

install_extension() {
    step "building the extension for PostgreSQL $PG_MAJOR (release; about 3 minutes the first time) …"
    build_extension ||
        die 4 "the extension could not be built or installed" "see the log named above"
    step "installed into $("$PG_CONFIG" --sharedir)/extension"
}

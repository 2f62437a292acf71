#!/bin/sh
# Finds what the tests need, and installs it from Debian's archive when that is missing and we are root.
# Quick when everything is there; leaves no service running.
#
# Exit status: 0 everything is there, 1 something is missing (which is said, with the command that mends it).
set -u

missing=""
packages=""

has_postgres() {
    # Whoever does not want Postgres tested needs none.
    [ "${NINES_TEST_POSTGRES:-}" = off ] && return 0
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && return 0
    done
    command -v initdb >/dev/null 2>&1 && command -v postgres >/dev/null 2>&1
}

# Whoever does not want real servers tested needs none.
has_server() {
    [ "${NINES_TEST_SERVERS:-}" = off ] || command -v "$1" >/dev/null 2>&1
}

need() { # need WHAT PACKAGE
    missing="${missing}${missing:+, }$1"
    packages="${packages}${packages:+ }$2"
}

look() {
    missing=""
    packages=""
    has_postgres || need "a Postgres server (initdb, postgres)" postgresql
    has_server promtool || need "Prometheus (prometheus, promtool)" prometheus
    has_server victoria-metrics || need "VictoriaMetrics" victoria-metrics
    command -v python3 >/dev/null 2>&1 || need "python3" python3
    command -v cc >/dev/null 2>&1 || need "a C compiler" gcc
}

# Debian's packages start their services when they are installed; this policy forbids it for as long as we install.
policy=/usr/sbin/policy-rc.d
kept=""

forbid_services() {
    if [ -e "$policy" ]; then
        kept=$(mktemp) && cp -p "$policy" "$kept" || exit 1
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
}

restore_policy() {
    if [ -n "$kept" ]; then
        cp -p "$kept" "$policy" && rm -f "$kept"
    else
        rm -f "$policy"
    fi
}

look
[ -z "$missing" ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests need $missing." >&2
    echo "Install it and run again:  sudo apt-get install -y $packages" >&2
    exit 1
fi

echo "Installing what the tests need: $packages"
trap restore_policy EXIT
trap 'exit 1' INT TERM
forbid_services
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || echo "apt-get update failed; going on with the package lists that are there" >&2
# The policy keeps services from starting; clusters of its own are of no use to the tests either.
# shellcheck disable=SC2086  # one word per package
apt-get install -y -qq --no-install-recommends $packages >/dev/null || true

look
if [ -n "$missing" ]; then
    echo "Could not install $missing; see what apt-get says above." >&2
    exit 1
fi

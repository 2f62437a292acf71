#!/bin/sh
# `make test`: finds or installs what the tests need, runs all of them, and ends with one line: N passed, N failed.
# A test that cannot start its server has failed; NINES_TEST_POSTGRES=off leaves Postgres out, and
# NINES_TEST_SERVERS=off Prometheus and VictoriaMetrics; both say so.
set -u
cd "$(dirname "$0")/.." || exit 1

if ! sh scripts/install-test-needs.sh; then
    echo "0 passed, 1 failed (the tests did not run)"
    exit 1
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
broken=0

run() { # run NAME COMMAND…: shows the output and keeps it for the sum; a POSIX shell has no pipefail
    name=$1
    shift
    echo "== $name"
    { "$@" 2>&1; echo "$?" >"$log.status"; } | tee -a "$log"
    status=$(cat "$log.status")
    rm -f "$log.status"
    if [ "$status" -ne 0 ]; then
        echo "$name: exit status $status"
        broken=$((broken + 1))
    fi
}

run "cargo test" "${CARGO:-cargo}" test --locked --no-fail-fast
run "tests of the proof programs" "${PYTHON:-python3}" bench/proof/selftest.py

# Sums every `test result:` line. A command that failed without counting a failed test (it did not compile, say) is one.
awk -v broken="$broken" '
    /^test result:/ {
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^passed/) passed += $(i - 1)
            if ($i ~ /^failed/) failed += $(i - 1)
            if ($i ~ /^ignored/) ignored += $(i - 1)
        }
    }
    END {
        if (broken > 0 && failed == 0) failed = broken
        print ""
        if (ignored > 0) printf "%d ignored\n", ignored
        printf "%d passed, %d failed\n", passed, failed
        exit (failed > 0)
    }
' "$log"

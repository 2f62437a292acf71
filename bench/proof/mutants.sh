#!/usr/bin/env bash
# Deliberate faults: each patch of mutants/*.patch is put into a copy of the sources, built, and must be caught by the proofs.
#
#   bench/proof/mutants.sh [PATCH…]
#
# MUTANTS_TARGET_DIR (default: target/mutants) is where the mutants are built. Exit status 0 when every one was caught.
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 2

here=$PWD
build=${MUTANTS_TARGET_DIR:-$here/target/mutants}
copy=$(mktemp -d -t nines-mutant.XXXXXX) || exit 2
trap 'git worktree remove --force "$copy/src" >/dev/null 2>&1; rm -rf "$copy"' EXIT
git worktree add --quiet --detach "$copy/src" HEAD || exit 2

patches=("$@")
if [ ${#patches[@]} -eq 0 ]; then
    shopt -s nullglob
    patches=(bench/proof/mutants/*.patch)
fi
if [ ${#patches[@]} -eq 0 ]; then
    echo "no patches in bench/proof/mutants"
    exit 2
fi

# Each proof with its options; the first that fails has caught the mutant. A patch names the one to begin with in a line
# `proof: …` before its diff.
proofs=(
    "exactness.py --storage sqlite --kills 6 --seed 1"
    "exactness.py --storage postgres --kills 4 --seed 2"
    "cut_commit.py --cuts 30 --seed 3"
    "rolling_deploy.py --storage sqlite --targets 8 --seed 4"
    "scale.py --storage sqlite --minutes 0.7 --targets 40 --seed 5"
)

survivors=0
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    git -C "$copy/src" checkout --quiet --force HEAD && git -C "$copy/src" clean -qfd -- src
    if ! git -C "$copy/src" apply "$(realpath "$patch")"; then
        printf '%-28s DOES NOT APPLY: write it anew\n' "$name"
        survivors=$((survivors + 1))
        continue
    fi
    if ! (cd "$copy/src" && CARGO_TARGET_DIR="$build" cargo build --locked --quiet --bin nines) 2>"$copy/build.log"; then
        printf '%-28s DOES NOT BUILD:\n' "$name"
        tail -n 20 "$copy/build.log"
        survivors=$((survivors + 1))
        continue
    fi
    caught=""
    mapfile -t likely < <(sed -n 's/^proof: //p' "$patch")
    for proof in "${likely[@]}" "${proofs[@]}"; do
        # shellcheck disable=SC2086  # a proof is a program and its options
        if ! python3 bench/proof/$proof --nines "$build/debug/nines" >"$copy/$name.log" 2>&1; then
            caught=$proof
            break
        fi
    done
    if [ -n "$caught" ]; then
        printf '%-28s caught by %s (%s)\n' "$name" "$caught" "$(tail -n 1 "$copy/$name.log")"
        grep -E ' OFF$|^problem|^FAILED' "$copy/$name.log" | head -n 3
    else
        printf '%-28s SURVIVED\n' "$name"
        survivors=$((survivors + 1))
    fi
done
printf '%d mutants, %d not caught\n' "${#patches[@]}" "$survivors"
[ "$survivors" -eq 0 ]

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034
#
# TAP for the shell tests of this folder, which read this file.
#
# A check is a command; `check NAME COMMAND...` runs it and reports. What it
# prints is shown as a comment if it fails.

set -u
LC_ALL=C
export LC_ALL

root=$(cd "$(dirname "$0")/../.." && pwd)
tap_count=0
tap_failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

check()
{
    tap_count=$((tap_count + 1))
    tap_name=$1
    shift
    if "$@" > "$tmp/tap.out" 2>&1; then
        echo "ok $tap_count - $tap_name"
    else
        echo "not ok $tap_count - $tap_name"
        sed 's/^/# /' "$tmp/tap.out"
        tap_failed=$((tap_failed + 1))
    fi
}

# $1: name, $2: why it cannot run here
skip()
{
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

# What follows was said. $1: text; the output is in $tmp/out.
said()
{
    grep -qF -- "$1" "$tmp/out" || {
        cat "$tmp/out"
        return 1
    }
}

# Run a command with its output in $tmp/out and give back its status.
run()
{
    "$@" > "$tmp/out" 2>&1 || {
        set -- $?
        cat "$tmp/out"
        return "$1"
    }
}

fails()
{
    ! run "$@"
}

done_testing()
{
    echo "1..$tap_count"
    [ "$tap_failed" = 0 ]
}

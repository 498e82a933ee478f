#!/bin/sh
# Everything is as clang-format-19 would leave it.
#
#     tests/gates/format.sh          check
#     tests/gates/format.sh --fix    rewrite
set -eu
cd "$(dirname "$0")/../.."

mode="--dry-run --Werror"
if [ "${1:-}" = --fix ]; then mode=-i; fi
# shellcheck disable=SC2086  # the mode is two words
find include lib tests bench tools \( -name '*.hpp' -o -name '*.cpp' \) \
  ! -name bad_shapes.cpp -print0 2>/dev/null | xargs -0 clang-format-19 $mode

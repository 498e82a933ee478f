#!/bin/sh
# Checks the installation that `meson install` left in build/prefix:
# - all public headers, with the one that the build generates, and no other file;
# - both libraries, and a SONAME;
# - a static archive without references to symbols of ours that it lacks.
# A user's own storage and transport plug in from there alone.
set -eu
cd "$(dirname "$0")/../.."
prefix=build/prefix

(cd include && find gossipmonger -type f && echo gossipmonger/library_build.hpp) |
  sort >build/headers-here
(cd $prefix/include && find . -type f | sed 's|^\./||' | sort) >build/headers-installed
diff -u build/headers-here build/headers-installed

shared=$(find $prefix -name libgossipmonger.so)
archive=$(find $prefix -name libgossipmonger.a)
version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" meson.build)
[ "$(readlink -f "$shared")" = "$(readlink -f "$(dirname "$shared")")/libgossipmonger.so.$version" ]
# CHANGELOG.md names it, and says when it is raised.
readelf -d "$shared" | grep -q 'SONAME.*\[libgossipmonger\.so\.1\]'
grep -qF 'libgossipmonger.so.1' CHANGELOG.md

nm -C --defined-only "$archive" | grep -o 'gossipmonger::.*' | sort -u >build/symbols-defined
nm -C --undefined-only "$archive" | sed -n 's/^ *U \(gossipmonger::.*\)/\1/p' | sort -u |
  comm -13 build/symbols-defined - >build/symbols-missing
if [ -s build/symbols-missing ]; then
  echo "libgossipmonger.a needs, but does not hold:"
  cat build/symbols-missing
  exit 1
fi
# And all layers are in it.
nm -C --defined-only build/release/lib/*/libgossipmonger_*.a | grep -o ' T gossipmonger::.*' |
  sed 's/^ T //' | sort -u | comm -13 build/symbols-defined - >build/symbols-lost
if [ -s build/symbols-lost ]; then
  echo "a layer has, but libgossipmonger.a does not:"
  head -20 build/symbols-lost
  exit 1
fi
package=$(dirname "$shared")/pkgconfig/gossipmonger.pc
if [ "$(pkg-config --modversion "$package")" != "$version" ]; then
  echo "gossipmonger.pc names another version"
  exit 1
fi

# A program that sees the installation and nothing else of ours.
PKG_CONFIG_PATH=$(dirname "$package")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046  # flags are words
${CXX:-g++} -std=c++20 -Wall -Wextra -x c++ tests/consumers/plug_ins.cpp -o build/plug_ins \
  $(pkg-config --cflags --libs gossipmonger)
LD_LIBRARY_PATH=$(dirname "$shared") timeout 60 build/plug_ins

#!/usr/bin/env bash
# The library builds where the user's flags name a later standard than its own: CXXFLAGS stand
# behind Meson's option, and Cap'n Proto's headers compile as C++17 only with clang.
#
#     tests/consumers/standards.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
for compiler in g++ clang++-19; do
  for standard in c++20 c++23; do
    dir=build/standards/$compiler-$standard
    rm -rf "$dir"
    cxx=$compiler
    if command -v ccache >/dev/null; then cxx="ccache $compiler"; fi
    CXX=$cxx CXXFLAGS=-std=$standard meson setup "$dir" --wrap-mode=nodownload --werror \
      -Dtests=disabled -Dbench=disabled -Dtools=disabled >/dev/null
    # The schema's own library, and a file of each layer that others see.
    ninja -C "$dir" lib/wire/libgossipmonger_capnp_body.a \
      lib/core/libgossipmonger_core.a.p/model_config.cpp.o \
      lib/net/libgossipmonger_net.a.p/resolver.cpp.o
  done
done
echo "standards: C++20 and C++23, by both compilers"

#!/usr/bin/env bash
# Builds tests/consumers/main.cpp as a user would, by one route, and runs it.
#
#     tests/consumers/run.sh ROUTE COMPILER LINKAGE
#
#     ROUTE     subproject, meson, cmake-pkg-config or cmake-find-package; all but the first use
#               what `meson install` left in build/prefix
#     COMPILER  g++ or clang++-19
#     LINKAGE   static or shared
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD route=$1 compiler=$2 linkage=$3

dir=$root/build/consumers/$route-$compiler-$linkage
rm -rf "$dir"
mkdir -p "$dir"
cp "tests/consumers/$route/"* tests/consumers/main.cpp "$dir"

# A prefix without the shared library is what a static-only installation looks like.
prefix=$root/build/prefix
if [ "$linkage" = static ] && [ "$route" != subproject ]; then
  prefix=$dir/prefix
  cp -r "$root/build/prefix" "$prefix"
  find "$prefix" -name 'libgossipmonger.so*' -delete
  find "$prefix" -name '*.pc' -exec sed -i "s|^prefix=.*|prefix=$prefix|" {} +
fi
if [ "$route" != subproject ]; then
  library_dir=$(dirname "$(find "$prefix" -name 'libgossipmonger.*' -print -quit)")
  export PKG_CONFIG_PATH=$library_dir/pkgconfig
  export LD_LIBRARY_PATH=$library_dir
fi

export CXX=$compiler
if command -v ccache >/dev/null; then
  export CXX="ccache $compiler" CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
case $route in
  subproject)
    mkdir "$dir/subprojects"
    ln -s "$root" "$dir/subprojects/gossipmonger"
    meson setup --wrap-mode=nodownload -Dgossipmonger:default_library="$linkage" \
      "$dir/build" "$dir"
    ninja -C "$dir/build" consumer
    ;;
  meson)
    meson setup -Ddefault_library="$linkage" "$dir/build" "$dir"
    ninja -C "$dir/build"
    ;;
  cmake-*)
    shared=$([ "$linkage" = shared ] && echo ON || echo OFF)
    CXX=$compiler cmake -G Ninja -S "$dir" -B "$dir/build" -DBUILD_SHARED_LIBS="$shared" \
      -DCMAKE_PREFIX_PATH="$prefix"
    ninja -C "$dir/build"
    ;;
esac

consumer=$dir/build/consumer
linked=$(ldd "$consumer" | grep -c 'libgossipmonger\.so' || true)
wanted=$([ "$linkage" = shared ] && echo 1 || echo 0)
if [ "$linked" != "$wanted" ]; then
  echo "$route: asked for a $linkage library, but ldd says:"
  ldd "$consumer"
  exit 1
fi
timeout 60 "$consumer"

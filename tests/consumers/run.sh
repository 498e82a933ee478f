#!/usr/bin/env bash
# Builds tests/consumers/main.cpp as a user would, by one route, and runs it. Then builds a file
# with other standard containers, and one with another Asio than the library's. Each must be
# refused: by the compiler, and where the header is kept quiet, by the linker.
#
#     tests/consumers/run.sh ROUTE COMPILER LINKAGE
#
#     ROUTE     subproject, meson, cmake-pkg-config, cmake-find-package or cmake-external-project;
#               the first and the last build the library, the others use the one that
#               `meson install` left in build/prefix
#     COMPILER  g++ or clang++-19
#     LINKAGE   static or shared
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD route=$1 compiler=$2 linkage=$3

dir=$root/build/consumers/$route-$compiler-$linkage
rm -rf "$dir"
mkdir -p "$dir"
cp "tests/consumers/$route/"* tests/consumers/main.cpp "$dir"
case $route in
  subproject) mkdir "$dir/subprojects" && ln -s "$root" "$dir/subprojects/gossipmonger" ;;
  cmake-external-project) ln -s "$root" "$dir/gossipmonger" ;;
esac

# A copy of the installation, since its header is changed below; one without the shared library is
# what a static-only installation looks like.
prefix=$dir/prefix
case $route in meson | cmake-pkg-config | cmake-find-package)
  cp -r "$root/build/prefix" "$prefix"
  find "$prefix" -name '*.pc' -exec sed -i "s|^prefix=.*|prefix=$prefix|" {} +
  if [ "$linkage" = static ]; then find "$prefix" -name 'libgossipmonger.so*' -delete; fi
  library_dir=$(dirname "$(find "$prefix" -name 'libgossipmonger.*' -print -quit)")
  export PKG_CONFIG_PATH=$library_dir/pkgconfig
  export LD_LIBRARY_PATH=$library_dir
  ;;
esac

export CXX=$compiler
if command -v ccache >/dev/null; then
  export CXX="ccache $compiler" CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi

build() { # build FOLDER: of its CMakeLists.txt or meson.build into FOLDER/build
  case $route in
    subproject)
      meson setup --wrap-mode=nodownload -Dgossipmonger:default_library="$linkage" \
        "$1/build" "$1" && ninja -C "$1/build" consumer
      ;;
    meson)
      meson setup -Ddefault_library="$linkage" "$1/build" "$1" && ninja -C "$1/build"
      ;;
    cmake-*)
      local shared=OFF
      if [ "$linkage" = shared ]; then shared=ON; fi
      CXX=$compiler cmake -G Ninja -S "$1" -B "$1/build" -DBUILD_SHARED_LIBS="$shared" \
        -DCMAKE_BUILD_TYPE=Debug -DCMAKE_PREFIX_PATH="$prefix" && ninja -C "$1/build"
      ;;
  esac
}
build "$dir"

consumer=$dir/build/consumer
linked=$(ldd "$consumer" | grep -c 'libgossipmonger\.so' || true)
wanted=$([ "$linkage" = shared ] && echo 1 || echo 0)
if [ "$linked" != "$wanted" ]; then
  echo "$route: asked for a $linkage library, but ldd says:"
  ldd "$consumer"
  exit 1
fi
timeout 60 "$consumer"

# No definition that changes inline functions of Asio reaches the library or its users.
if grep -rl ASIO_NO_DEPRECATED "$dir/build" --include=build.ninja; then
  echo "$route: ASIO_NO_DEPRECATED is defined"
  exit 1
fi

refused() { # refused WORDS: the consumer does not build, and the words are said
  if ninja -C "$dir/build" consumer >"$dir/refused" 2>&1; then
    echo "$route: built, where '$1' was due"
    exit 1
  fi
  if ! grep -q "$1" "$dir/refused"; then
    echo "$route: '$1' was due, but the build says:"
    cat "$dir/refused"
    exit 1
  fi
}
# The header alone, which every other includes: refusals.py tries those.
differ() { # differ LINE...: main.cpp begins with these lines
  printf '%s\n' "$@" '#include <gossipmonger/asio_definitions.hpp>' 'int main() {}' \
    >"$dir/main.cpp"
}

# A program does not start with a shared library of other facts, for which an empty one stands.
if [ "$linkage" = shared ]; then
  differ ''
  ninja -C "$dir/build" consumer
  "$consumer"
  exchanged=$dir/exchanged.so
  $compiler -shared -fPIC -Wl,-soname,libgossipmonger.so.1 -x c++ /dev/null -o "$exchanged"
  if LD_PRELOAD=$exchanged "$consumer" 2>"$dir/refused" || ! grep -q built_with "$dir/refused"; then
    echo "$route: starts with a shared library of other facts"
    exit 1
  fi
fi

# The compiler refuses a program of other facts. In a subproject, and with a library that clang
# built, the linker refuses other containers.
built_by_clang=false
if [ "$route" = cmake-external-project ] && [ "$compiler" != g++ ]; then built_by_clang=true; fi
differ '#define _GLIBCXX_DEBUG 1'
if [ "$route" = subproject ] || $built_by_clang; then
  refused 'built_with<gossipmonger::glibcxx_debug<true>'
else
  refused 'the library was built without _GLIBCXX_DEBUG, but this file is'
fi
version=$(sed -n 's/^#define ASIO_VERSION \([0-9]*\).*/\1/p' /usr/include/asio/version.hpp)
another=$((version + 100))
other_asio=('#include <asio/version.hpp>' '#undef ASIO_VERSION' "#define ASIO_VERSION $another")
differ "${other_asio[@]}"
refused "built with Asio $version"
grep -q "compiled_with_asio<$another>" "$dir/refused"

# The linker refuses where the header does not know. The subproject's library would be built again
# after such a change.
if [ "$route" != subproject ]; then
  header=$(find "$dir" -path '*/include/gossipmonger/library_build.hpp' -print -quit)
  sed -i -e "s/== $version/== $another/" -e 's/^#if .*/#if 0/' "$header"
  refused "built_with<gossipmonger::asio_version<$another>, gossipmonger::glibcxx_debug<false>"
  differ '#define _GLIBCXX_DEBUG 1'
  sed -i "s/== $another/== $version/" "$header"
  refused 'built_with<gossipmonger::glibcxx_debug<true>'
fi

# find_package refuses a header that is missing or is another's.
not_found() { # not_found WORDS CMAKE-OPTION...
  local words=$1
  shift
  if CXX=$compiler cmake -G Ninja -S "$dir" -B "$dir/not-found" -DCMAKE_PREFIX_PATH="$prefix" "$@" \
    >"$dir/refused" 2>&1; then
    echo "$route: configured, where '$words' was due"
    exit 1
  fi
  # CMake breaks lines where it likes.
  tr -s ' \n' '  ' <"$dir/refused" | grep -F "$words" >/dev/null || {
    echo "$route: '$words' was due, but CMake says:"
    cat "$dir/refused"
    exit 1
  }
  rm -rf "$dir/not-found"
}
if [ "$route" = cmake-find-package ]; then
  not_found "Asio's headers (asio/version.hpp) were not found" -DCMAKE_IGNORE_PATH=/usr/include
  not_found "tl::expected's header (tl/expected.hpp) was not found" \
    -DCMAKE_IGNORE_PATH=/usr/include -Dgossipmonger_ASIO_INCLUDE_DIR=/usr/include
  mkdir -p "$dir/another/asio"
  echo "#define ASIO_VERSION $another // newer" >"$dir/another/asio/version.hpp"
  not_found "built with Asio $version" -Dgossipmonger_ASIO_INCLUDE_DIR="$dir/another"
  not_found "has Asio $another." -Dgossipmonger_ASIO_INCLUDE_DIR="$dir/another"
fi
echo "$route, $compiler, $linkage: runs, and refuses what differs"

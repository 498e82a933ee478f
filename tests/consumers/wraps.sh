#!/usr/bin/env bash
# The Meson wraps where the system has none of the packages, or where the user asks for them. The
# sources of the wraps are the system's own headers, so nothing is downloaded; the compiler is given
# its include folders without them.
#
#     tests/consumers/wraps.sh          CXX names the compiler (default: g++)
set -euo pipefail
cd "$(dirname "$0")/../.."
compiler=${CXX:-g++}
dir=$PWD/build/wraps
rm -rf "$dir"
mkdir -p "$dir/source" "$dir/include"
cp -r include lib meson.build meson_options.txt subprojects tests "$dir/source"
# Where nobody listens, so that a download that is tried fails.
sed -i 's|^source_url = .*|source_url = http://127.0.0.1:9/none|' "$dir"/source/subprojects/*.wrap

# The compiler's search path, with /usr/include as links to all but what the wraps are for.
ln -s /usr/include/* "$dir/include"
rm -rf "$dir"/include/{asio,asio.hpp,tl,doctest}
# Not by -isystem: Meson drops the compiler's own folders there.
hidden="-nostdinc -nostdinc++"
while read -r folder; do
  if [ "$(realpath "$folder")" = /usr/include ]; then folder=$dir/include; fi
  hidden+=" -idirafter $folder"
done < <($compiler -E -x c++ -v /dev/null 2>&1 |
  sed -n '/^#include <\.\.\.>/,/^End of search list/s/^ \(.*\)/\1/p')
if command -v ccache >/dev/null; then compiler="ccache $compiler"; fi

# The wrap's source tree, as a download would leave it.
add_wrap() { # add_wrap FOLDER OVERLAY HEADER...
  local folder=$dir/source/subprojects/$1 overlay=$2
  shift 2
  mkdir -p "$folder/include"
  cp -r "$@" "$folder/include"
  cp "subprojects/packagefiles/$overlay/"* "$folder"
}
setup() { # setup NAME FLAGS OPTION...
  local name=$1 flags=$2
  shift 2
  CXX=$compiler CXXFLAGS=$flags meson setup "$dir/$name" "$dir/source" -Dtools=disabled \
    -Dbench=disabled "$@" >"$dir/$name.log" 2>&1
}
fail() { # fail LOG WORDS
  echo "wraps: $2"
  cat "$dir/$1.log"
  exit 1
}
asio_of() { # the version in the header that a build generated
  sed -n 's/.*FileVersion == \([0-9]*\),.*/\1/p' \
    "$dir/$1/lib/configured/gossipmonger/library_build.hpp"
}
export CMAKE=/bin/false # CMake's packages would lead to the system's folders
version=$(sed -n 's/^#define ASIO_VERSION \([0-9]*\).*/\1/p' /usr/include/asio/version.hpp)

if setup without "$hidden" --wrap-mode=nodownload -Dtests=disabled; then
  fail without "configured without an Asio"
fi
grep -q -E 'Looking for a fallback .* dependency (asio|tl-expected)' "$dir/without.log" ||
  fail without "names no package"

asio=$(sed -n 's/^directory = //p' subprojects/asio.wrap)
expected=$(sed -n 's/^directory = //p' subprojects/tl-expected.wrap)
add_wrap "$asio" asio /usr/include/asio /usr/include/asio.hpp
add_wrap "$expected" tl-expected /usr/include/tl

# Without the system's packages. The objects are compiled with the wrap's headers; doctest is not
# there, and tests that are `auto` are left out without a download.
setup hidden "$hidden" || fail hidden "the wraps do not work where the system has no packages"
grep -q 'The tests are left out: doctest was not found' "$dir/hidden.log" ||
  fail hidden "does not say that the tests are left out"
if grep -q -i 'download.* doctest\|doctest.*download ' "$dir/hidden.log"; then
  fail hidden "tried to download doctest"
fi
[ "$(asio_of hidden)" = "$version" ] || fail hidden "says Asio $(asio_of hidden), not $version"
objects=lib/net/libgossipmonger_net.a.p
ninja -C "$dir/hidden" $objects/asio_definitions.cpp.o $objects/subscription.cpp.o
ninja -C "$dir/hidden" -t deps $objects/subscription.cpp.o |
  grep "source/subprojects/$asio/include/asio/" >/dev/null ||
  fail hidden "compiled with another Asio"

# With them, and a newer Asio in the wrap that the user asks for.
if setup enabled "$hidden" --wrap-mode=nodownload -Dtests=enabled; then
  fail enabled "configured tests that are enabled, without doctest"
fi
grep -q 'Looking for a fallback .* dependency doctest' "$dir/enabled.log" ||
  fail enabled "does not name doctest"
sed -i "s/^#define ASIO_VERSION $version/#define ASIO_VERSION $((version + 1))/" \
  "$dir/source/subprojects/$asio/include/asio/version.hpp"
setup forced "" --wrap-mode=nodownload --force-fallback-for=asio ||
  fail forced "--force-fallback-for=asio does not work"
[ "$(asio_of forced)" = $((version + 1)) ] || fail forced "--force-fallback-for=asio is ignored"
setup system "" --wrap-mode=nodownload || fail system "does not work with the system's packages"
[ "$(asio_of system)" = "$version" ] || fail system "takes the wrap before the system's package"
echo "wraps: taken where the system has no package, and where the user asks for them"

"""The header that the build generates, for gates that compile without a build."""

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = "gossipmonger/library_build.hpp"


def compiler():
    return os.environ.get("CXX", "g++").split()


def asio_version(*flags):
    """ASIO_VERSION of the Asio that the compiler sees."""
    done = subprocess.run([*compiler(), *flags, "-E", "-P", "-x", "c++", "-"], check=True,
                          input="#include <asio/version.hpp>\nASIO_VERSION\n", text=True,
                          capture_output=True)
    return int(done.stdout.split()[-1])


def asio_defines():
    """From the one place where they stand."""
    return re.findall(r"'(-DASIO\w+(?:=\w+)?)'", (ROOT / "lib/meson.build").read_text())


def write(folder, asio, has_debug_containers=False):
    """The header in the include folder `folder`, as a build with these facts has it."""
    text = (ROOT / "lib/configured" / (HEADER + ".in")).read_text()
    version = re.search(r"^  version: '(\d+)\.(\d+)\.(\d+)'", (ROOT / "meson.build").read_text(),
                        re.MULTILINE)
    major, minor, patch = map(int, version.groups())
    facts = {
        "version_text": f"{major}.{minor}.{patch}",
        "version_number": str(10000 * major + 100 * minor + patch),
        "asio_version": str(asio),
        "asio_text": f"{asio // 100000}.{asio // 100 % 1000}.{asio % 100}",
        "containers_differ": f"{'!' * has_debug_containers}defined(_GLIBCXX_DEBUG)",
        "library_debug": "with" if has_debug_containers else "without",
        "file_debug": "without" if has_debug_containers else "with",
    }
    file = pathlib.Path(folder) / HEADER
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(re.sub(r"@(\w+)@", lambda found: facts[found.group(1)], text))

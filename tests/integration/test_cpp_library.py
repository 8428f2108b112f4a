"""The native core as a C++ library: install it, find it with CMake, price one option."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES CXX)
find_package(optionsib 0.1 REQUIRED)
add_executable(consumer main.cpp)
target_link_libraries(consumer PRIVATE optionsib::core)
"""

# Hull, Options, Futures and Other Derivatives, 8th ed., example 15.6: 4.76.
PROGRAM = """\
#include <cstdio>
#include <optionsib/pricing/european.hpp>

int main() {
    using namespace optionsib::pricing;
    const European option{1.0, 42.0, 40.0, 0.5, 0.10, 0.0};
    double value = 0.0;
    const Status status = price(Model::bsm, option, 0.2, value);
    std::printf("%.2f\\n", value);
    return status == Status::ok ? 0 : 1;
}
"""


def run(*words: str | Path) -> str:
    ended = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=1200, check=False)
    assert ended.returncode == 0, f"{words}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.mark.timeout(1500)  # it compiles the whole core
def test_a_consumer_finds_and_uses_the_library(tmp_path: Path) -> None:
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    build, prefix = tmp_path / "build", tmp_path / "prefix"
    run("cmake", "-S", ROOT, "-B", build, *generator, "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", build, "--parallel", "2")
    run("cmake", "--install", build, "--prefix", prefix)
    assert (prefix / "include/optionsib/pricing/european.hpp").is_file()
    assert not list(prefix.glob("**/*.py")), "plain C++: nothing of Python is installed"

    consumer = tmp_path / "consumer"
    consumer.mkdir()
    (consumer / "CMakeLists.txt").write_text(PROJECT)
    (consumer / "main.cpp").write_text(PROGRAM)
    run("cmake", "-S", consumer, "-B", consumer / "build", *generator, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", consumer / "build")
    assert run(consumer / "build" / "consumer").strip() == "4.76"

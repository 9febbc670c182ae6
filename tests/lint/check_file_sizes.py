#!/usr/bin/env python3
"""Fails on files too long to hold in mind; warns at the way there.

Functions are measured by clang-tidy (readability-function-size).
"""
import sys

import lintlib

WARN_LINES = 300
FAIL_LINES = 500
CMAKE_FAIL_LINES = 150
SUFFIXES = (".h", ".cc", ".py", ".sh", "CMakeLists.txt", ".cmake", "dev")


def limit_of(name: str) -> int:
    cmake = name.endswith((".cmake", "CMakeLists.txt"))
    return CMAKE_FAIL_LINES if cmake else FAIL_LINES


def complaints(root):
    for path in lintlib.our_files(root, *SUFFIXES):
        name = lintlib.relative(root, path)
        lines = path.read_text().count("\n")
        if lines > limit_of(name):
            yield f"{name}: {lines} lines, at most {limit_of(name)}: split it"


def warnings(root):
    for path in lintlib.our_files(root, *SUFFIXES):
        lines = path.read_text().count("\n")
        if lines > WARN_LINES:
            yield (f"warning: {lintlib.relative(root, path)}: {lines} lines; "
                   f"the aim is {WARN_LINES}")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        for warning in warnings(lintlib.pathlib.Path(sys.argv[1]).resolve()):
            print(warning)
    sys.exit(lintlib.main(complaints))

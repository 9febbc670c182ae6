#!/usr/bin/env python3
"""Fails when a document names another default of a limit than the server has.

Looked at are tables with a column "flag" and a column "default"; the server's
defaults are those of server/app/config.h.
"""
import re
import sys

import lintlib

CONFIG = "server/app/config.h"
FIELD = re.compile(r"^  (?:std::int64_t|int) (\w+) = ([\d'LU<+* ]+);", re.MULTILINE)
FLAG = re.compile(r"`--([a-z][\w-]*)`")
NUMBER = re.compile(r"(\d[\d,]*)(?: (KiB|MiB|GiB))?")
UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def value_of(code):
    """Of "64LL << 20" or "10'000"."""
    number, _, shift = re.sub(r"['LU ]", "", code).partition("<<")
    return int(number) << int(shift or 0)


def defaults(root):
    return {name.replace("_", "-"): value_of(code)
            for name, code in FIELD.findall((root / CONFIG).read_text())}


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows(text):
    """(flags, cell with the default) of each row of such tables."""
    columns = None
    for line in FENCE.sub("", text).splitlines():
        if not line.startswith("|"):
            columns = None
        elif columns is None:
            head = cells(line)
            columns = (head.index("flag"), head.index("default")) \
                if {"flag", "default"} <= set(head) else ()
        elif columns and len(found := cells(line)) > max(columns):
            yield FLAG.findall(found[columns[0]]), found[columns[1]]


def numbers(cell):
    """64 MiB -> 67108864; what stands in brackets is for people."""
    return [int(number.replace(",", "")) * UNITS[unit]
            for number, unit in NUMBER.findall(re.sub(r"\(.*?\)", "", cell))]


def complaints(root):
    if not (root / CONFIG).exists():
        return
    known = defaults(root)
    for path in lintlib.our_files(root, ".md"):
        name = lintlib.relative(root, path)
        for flags, cell in rows(path.read_text()):
            given = numbers(cell)
            if flags and len(given) != len(flags):
                yield f"{name}: {len(flags)} flags and the defaults '{cell}'"
                continue
            for flag, value in zip(flags, given):
                if flag not in known:
                    yield f"{name}: --{flag} is no limit of {CONFIG}"
                elif known[flag] != value:
                    yield f"{name}: --{flag} is {known[flag]} by default, not {cell}"


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))

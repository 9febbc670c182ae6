#!/usr/bin/env python3
"""Fails on what the conventions forbid and no compiler sees.

Sleeps, TODOs without a number, NOLINTs without check and reason, locks outside
server/base/mutex.h, locks that guard nothing, detached threads, public classes
that do not say what threads may do with them, headers without #pragma once,
types of one name in two headers of the server.
"""
import re
import sys

import lintlib

# file -> why it may sleep all the same.
MAY_SLEEP: dict[str, str] = {}
# file -> why it may use the standard library's locks.
MAY_LOCK = {"server/base/mutex.h": "wraps them"}

SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|SleepFor"
                   r"|time\.sleep|clock_nanosleep)\b|(?<![\w.:])sleep\s*\(")
LOCK = re.compile(r"\b(std::(recursive_|shared_|timed_|recursive_timed_)?mutex"
                  r"|std::(lock_guard|unique_lock|scoped_lock|shared_lock)"
                  r"|std::condition_variable(_any)?|absl::Mutex(Lock)?"
                  r"|absl::CondVar|absl::Notification|pthread_mutex_\w+)\b")
DETACHED = re.compile(r"[.>]detach\(\)")
TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(\(#\d+\): \S)?")
NOLINT = re.compile(r"NOLINT(NEXTLINE|BEGIN|END)?\b(\([a-z0-9.,\- ]+\))?(: \S)?")
MUTEX_FIELD = re.compile(r"(?:^|\s)Mutex\s+(\w+)(?:\s*\{\})?\s*;", re.MULTILINE)
CLASS = re.compile(r"^(?:template <.*>\n)?class (?:ABSL_\w+(?:\([^)]*\))? )?"
                   r"(\w+)(?: final)?\s*(?::[^;{]*)?\{", re.MULTILINE)
TYPE = re.compile(r"^(?:template <.*>\n)?(?:class|struct) (?:ABSL_\w+(?:\([^)]*\))? )?"
                  r"(\w+)(?: final)?\s*(?::[^;{]*)?\{", re.MULTILINE)
NESTED_NAMESPACE = re.compile(r"^namespace (\w+(?:::\w+)*) \{", re.MULTILINE)
THREADS = re.compile(r"thread|immutable|plain value", re.IGNORECASE)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def comment_above(text: str, offset: int) -> str:
    lines = text[:offset].splitlines()
    above = []
    while lines and lines[-1].startswith("//"):
        above.append(lines.pop())
    return "\n".join(reversed(above))


def pattern_complaints(name, code, pattern, says):
    for match in pattern.finditer(code):
        yield f"{name}:{line_of(code, match.start())}: {match[0]}: {says}"


def marker_complaints(name, text):
    """TODO and NOLINT live in comments, so these read the whole text."""
    for match in TODO.finditer(text):
        if not match[2]:
            yield (f"{name}:{line_of(text, match.start())}: write "
                   f"'{match[1]}(#123): what' or leave it out")
    for match in NOLINT.finditer(text):
        if match[1] == "END" and match[2]:
            continue
        if not match[2] or not match[3]:
            yield (f"{name}:{line_of(text, match.start())}: write "
                   "NOLINT(check): reason, with both")


def lock_complaints(name, code):
    if name not in MAY_LOCK:
        yield from pattern_complaints(name, code, LOCK,
                                      "use server/base/mutex.h")
        for match in MUTEX_FIELD.finditer(code):
            if not re.search(rf"GUARDED_BY\(\s*{match[1]}\s*\)", code):
                yield (f"{name}:{line_of(code, match.start(1))}: nothing is "
                       f"ABSL_GUARDED_BY({match[1]})")
    # There it takes a tensor out of autograd.
    if not name.startswith(("server/nn/", "tests/unit/nn/", "tests/claims/")):
        yield from pattern_complaints(name, code, DETACHED,
                                      "every thread is joined by its owner")


def header_complaints(name, text):
    if "\n#pragma once\n" not in "\n" + text:
        yield f"{name}:1: no #pragma once"
    if not name.startswith(("server/", "client/")):
        return
    for match in CLASS.finditer(text):
        if not THREADS.search(comment_above(text, match.start())):
            yield (f"{name}:{line_of(text, match.start())}: the comment of "
                   f"class {match[1]} does not say what threads may do "
                   "('Thread-safe.', 'Not thread-safe.', 'Immutable.', "
                   "'A plain value.')")


class Types:
    """Types that headers of the server define.

    Everything of it is in one namespace: of two types of one name the linker
    takes one's destructor for both, without a word.
    """

    def __init__(self):
        self._where: dict[tuple[str, str], str] = {}

    def complaints(self, name, code):
        if not (name.startswith("server/") and name.endswith(".h")):
            return
        for match in TYPE.finditer(code):
            before = code[:match.start()]
            namespaces = NESTED_NAMESPACE.findall(before)
            key = (namespaces[-1] if namespaces else "", match[1])
            here = f"{name}:{line_of(code, match.start(1))}"
            first = self._where.setdefault(key, here)
            if first.split(":")[0] != name:
                yield f"{here}: {match[1]} is also a type of {first}"


def complaints(root):
    types = Types()
    for path in lintlib.our_files(root, ".h", ".cc", ".py", ".sh", ".cmake",
                                  "CMakeLists.txt", ".proto"):
        name = lintlib.relative(root, path)
        if name.startswith("tests/lint/"):
            continue  # Names what it looks for.
        text = path.read_text()
        yield from marker_complaints(name, text)
        is_cpp = path.suffix in lintlib.CPP
        code = lintlib.without_comments(text) if is_cpp else text
        if name not in MAY_SLEEP and (is_cpp or path.suffix == ".py"):
            yield from pattern_complaints(
                name, code, SLEEP, "wait for the event itself, with a limit")
        if is_cpp:
            yield from lock_complaints(name, code)
        if path.suffix == ".h":
            yield from header_complaints(name, text)
            yield from types.complaints(name, code)
    for name in [*MAY_SLEEP, *MAY_LOCK]:
        if (root / "server").exists() and not (root / name).exists() and \
                (root / ".git").exists():
            yield f"{name}: is excepted but does not exist"


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))

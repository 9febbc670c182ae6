#!/usr/bin/env python3
"""Runs clang-tidy on every source of ours, several at a time.

A file that was found clean is not looked at again until something it depends
on changes: itself, a header of ours that it includes, a proto, its compile
command, the configuration or clang-tidy itself. System libraries count by
clang-tidy's version only; --no-cache looks at everything. What was found clean
is kept under the user's cache folder, for every checkout alike.

Without FILE it looks at the server and the client; with --tests at the tests
too, which are more code than both and cost half of the time. --analyzer adds
clang's static analyzer, which takes twice as long as all else together.

What was changed last is looked at first. A change of a header that everything
includes is hours of work on a cold cache: with --minutes no file is begun when
they are over, and what was not looked at is counted; the next run goes on.

usage: run_tidy.py [--jobs N] [--no-cache] [--tests] [--analyzer] [--build DIR]
                   [--minutes N] [FILE...]
"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

import lintlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATABASE = ROOT / "build" / "tidy"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME")
                     or pathlib.Path.home() / ".cache") / "resnetd" / "tidy"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
SLOW_SHOWN = 5
ANALYZER = "--checks=clang-analyzer-*"


def clang_tidy() -> str:
    # 14 is the version the configuration is written for; others know other
    # checks.
    for name in ("clang-tidy-14", "clang-tidy"):
        if path := shutil.which(name):
            return path
    sys.exit("clang-tidy is missing; ./dev setup installs it")


def included_file(name: str):
    """The file of ours behind an #include, or None."""
    if name.startswith(("server/", "client/", "tests/")):
        path = ROOT / name
    elif generated := re.match(r"(.+?)(?:\.grpc)?\.pb\.h$", name):
        path = ROOT / "proto" / f"{generated[1]}.proto"
    else:
        return None
    return path if path.exists() else None


@functools.lru_cache(maxsize=None)
def includes_of(path: pathlib.Path):
    text = path.read_text()
    if path.suffix == ".proto":
        names = re.findall(r'^import (?:public )?"([^"]+)"', text,
                           re.MULTILINE)
        found = [ROOT / "proto" / name for name in names]
        return text, [p for p in found if p.exists()]
    found = [included_file(name) for name in INCLUDE.findall(text)]
    return text, [p for p in found if p]


def key_of(source: pathlib.Path, command: str, common: str) -> str:
    """Changes whenever the outcome for `source` could change."""
    # Where the checkout lies is no matter.
    command = command.replace(str(ROOT), "")
    digest = hashlib.sha256(f"{common}\0{command}".encode())
    waiting, seen = [source], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        waiting += includes_of(path)[1]
    for path in sorted(seen):
        name = path.relative_to(ROOT)
        digest.update(f"\0{name}\0{includes_of(path)[0]}".encode())
    return digest.hexdigest()


def compile_commands(build: pathlib.Path):
    """Source -> (folder, arguments), without the precompiled header.

    That one is GCC's, which Clang cannot read; the sources include all they
    use.
    """
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if build in path.parents or ROOT not in path.parents:
            continue
        arguments = shlex.split(entry["command"])
        while len(arguments) and not re.search(r"(c|g|clang)\+\+[\d.-]*$",
                                               arguments[0]):
            arguments.pop(0)  # ccache and its environment
        for at in range(len(arguments) - 1, -1, -1):
            if arguments[at].endswith("cmake_pch.hxx"):
                del arguments[at - 1:at + 1]
        found.setdefault(path, (entry["directory"], arguments))
    return found


def check_one(tool, database, more, source, key, end):
    """Source, exit code, findings and seconds; None when it is too late."""
    start = time.monotonic()
    if start >= end:
        return None
    run = subprocess.run(
        [tool, "--quiet", "-p", str(database), *more,
         "--extra-arg=-Wno-unknown-warning-option", str(source)],
        capture_output=True, text=True)
    took = time.monotonic() - start
    if run.returncode == 0:
        (CACHE / key).write_text(f"{took:.1f} {source.relative_to(ROOT)}\n")
    findings = run.stdout.strip()
    if run.returncode != 0 and not findings:
        findings = run.stderr.strip()
    return source, run.returncode, findings, took


def ages():
    """Path -> 0 for what the newest commit changed, and so on; what is not yet
    committed comes before. Empty without a history."""
    git = ["git", "-C", str(ROOT)]
    changed = subprocess.run([*git, "diff", "--name-only", "HEAD"],
                             capture_output=True, text=True).stdout
    told = subprocess.run([*git, "log", "--format=", "--name-only"],
                          capture_output=True, text=True).stdout
    found = {}
    for name in [*changed.split(), *told.split()]:
        found.setdefault(ROOT / name, len(found))
    return found


def age_of(source: pathlib.Path, found) -> int:
    """That of the source or of its header, whichever changed last."""
    return min(found.get(path, len(found))
               for path in (source, source.with_suffix(".h")))


def is_in_another_project(source: pathlib.Path) -> bool:
    """Whether a folder between the root and `source` is a project of its own:
    it is built against the installed package, by its test."""
    folders = list(source.parents)
    return any("\nproject(" in (folder / "CMakeLists.txt").read_text()
               for folder in folders[:folders.index(ROOT)]
               if (folder / "CMakeLists.txt").exists())


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--no-cache", action="store_true")
    options.add_argument("--tests", action="store_true")
    options.add_argument("--analyzer", action="store_true")
    options.add_argument("--build", default=str(ROOT / "build/dev"))
    options.add_argument("--minutes", type=float, default=float("inf"))
    options.add_argument("files", nargs="*")
    options = options.parse_args()
    build = pathlib.Path(options.build).resolve()

    tool = clang_tidy()
    commands = compile_commands(build)
    wanted = {pathlib.Path(name).resolve() for name in options.files}
    sources = [p for p in lintlib.our_files(ROOT, ".cc")
               if (not wanted or p in wanted)
               and not is_in_another_project(p)]
    failed = False
    for source in [p for p in sources if p not in commands]:
        print(f"{source.relative_to(ROOT)}: is in no target of {build.name}, "
              "so nothing checks it")
        failed = True
    with_tests = options.tests or bool(wanted)
    sources = [p for p in sources if p in commands and
               (with_tests or ROOT / "tests" not in p.parents)]

    CACHE.mkdir(parents=True, exist_ok=True)
    DATABASE.mkdir(parents=True, exist_ok=True)
    (DATABASE / "compile_commands.json").write_text(json.dumps([
        {"file": str(path), "directory": folder, "arguments": arguments}
        for path, (folder, arguments) in commands.items()]))
    version = subprocess.run([tool, "--version"], capture_output=True,
                             text=True, check=True).stdout
    common = version + "".join(p.read_text() for p in sorted(
        [ROOT / ".clang-tidy", *ROOT.glob("*/.clang-tidy")]))
    more = [ANALYZER] if options.analyzer else []
    common += "".join(more)
    keys = {p: key_of(p, " ".join(commands[p][1]), common) for p in sources}
    todo = [p for p in sources
            if options.no_cache or not (CACHE / keys[p]).exists()]

    end = time.monotonic() + 60 * options.minutes
    times = []
    left_out = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        found = ages()
        todo.sort(key=lambda p: (age_of(p, found), -p.stat().st_size))
        runs = [pool.submit(check_one, tool, DATABASE, more, p, keys[p], end) for p in todo]
        for run in concurrent.futures.as_completed(runs):
            if run.result() is None:
                left_out += 1
                continue
            source, code, findings, took = run.result()
            times.append((took, source.relative_to(ROOT).as_posix()))
            if code != 0:
                failed = True
                print(findings, flush=True)
    print(f"  clang-tidy: {len(times)} files looked at, "
          f"{len(sources) - len(todo)} unchanged since they were clean")
    if left_out:
        print(f"  clang-tidy: {left_out} files NOT looked at, whose turn did not come in "
              f"{options.minutes:g} minutes; the next run goes on, ./dev lint all "
              "looks at every one")
    for took, name in sorted(times, reverse=True)[:SLOW_SHOWN]:
        print(f"    {took:5.1f} s  {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Fails when a source has no test of its own, or a test no source.

server/a/b.cc <-> tests/unit/a/b_test.cc. A test of a header alone is fine, and
so is a second test of one source, b_part_test.cc.
"""
import sys

import lintlib

# source -> where it is tested instead, and why not by a test of its own.
TESTED_ELSEWHERE: dict[str, str] = {
    "server/main.cc": "started as a whole by tests/integration",
    "server/app/run.cc": "a process: tests/integration/serve_test.py",
    "server/app/server.cc": "a process: tests/integration/serve_test.py",
    "server/app/backends.cc": "a process: tests/integration/start_test.py",
    "server/app/trainers.cc": "a process: tests/integration/train_test.py",
    **{f"server/finetune/{name}.cc":
           "jobs as a whole: tests/unit/finetune/job_manager_test.cc"
       for name in ("job_inputs", "job_run", "job_run_samples",
                    "picture_source")},
    **{f"server/nn/{name}.cc":
           "a part of the trainer: tests/unit/nn/torch_trainer_*_test.cc"
       for name in ("batch_input", "step_observer", "torch_trainer_answers",
                    "trained_tensors")},
}
# test -> why it is not of one source.
TESTS_MANY: dict[str, str] = {
    "tests/unit/image/damaged_pictures_test.cc":
        "one corpus for the decoders of all formats",
    "tests/unit/image/out_of_memory_test.cc":
        "every allocation of every decoder fails once",
    "tests/unit/nn/few_channels_test.cc":
        "of the networks that the tests beside it train",
}


def complaints(root):
    sources, tests = set(), set()
    for path in lintlib.our_files(root, ".cc", ".h"):
        name = lintlib.relative(root, path)
        if name.startswith("server/"):
            sources.add(name)
        elif name.startswith("tests/unit/") and name.endswith("_test.cc"):
            tests.add(name)
    for source in sorted(sources):
        if not source.endswith(".cc"):
            continue
        wanted = ("tests/unit/" + source.removeprefix("server/")
                  ).removesuffix(".cc") + "_test.cc"
        if wanted not in tests and source not in TESTED_ELSEWHERE:
            yield f"{source}:1: has no {wanted}"
        if wanted in tests and source in TESTED_ELSEWHERE:
            yield f"{source}:1: has a test: take it off TESTED_ELSEWHERE"
    for test in sorted(tests):
        if test.startswith("tests/unit/client/"):
            continue
        stem = ("server/" + test.removeprefix("tests/unit/")
                ).removesuffix("_test.cc")
        owners = {source.rsplit(".", 1)[0] for source in sources}
        parts = stem.split("_")
        stems = {"_".join(parts[:count]) for count in range(1, len(parts) + 1)}
        if not stems & owners and test not in TESTS_MANY:
            yield f"{test}:1: there is no {stem}.cc or .h"
    for source in TESTED_ELSEWHERE:
        if source not in sources and (root / ".git").exists():
            yield f"{source}: is in TESTED_ELSEWHERE but does not exist"


if __name__ == "__main__":
    sys.exit(lintlib.main(complaints))

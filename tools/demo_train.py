#!/usr/bin/env python3
"""The demo of fine-tuning: a model that knows the digits 0 to 7 learns 8 and 9
while a client keeps classifying.

usage: demo_train.py FOLDER_OF_BINARIES [--steps N] [--quiet-calls N] [--svg FILE]
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import threading
import time
from typing import Any

import digit_files
from demo_server import Server

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODEL = "digits-0-7"
OLD, NEW = "01234567", "89"
# Kept of each old digit, so that they are not forgotten.
KEPT = 20
# The client calls so often, a second, with so many pictures: light work, seen
# for as long before the training as is enough for a slowest hundredth.
CALLS_A_SECOND = 10
QUIET_CALLS = 100


class Client(threading.Thread):
    """Classifies pictures all the time, by resnetctl, until it is told to stop."""

    def __init__(self, server: Server, pictures: list[pathlib.Path]) -> None:
        super().__init__()
        self._command = server.command("classify", *pictures, "--model", MODEL, "-k", "1",
                                       "-o", "json", "-q")
        self._end = threading.Event()
        self._grew = threading.Condition()
        # When it was answered, how long the server took, by which version.
        self.answers: list[tuple[float, float, int]] = []
        self.failed = 0

    def run(self) -> None:
        while not self._end.is_set():
            begun = time.monotonic()
            done = subprocess.run(self._command, check=False, capture_output=True)
            if done.returncode:
                self.failed += 1
            else:
                shown: dict[str, Any] = json.loads(done.stdout)
                self.answers.append((time.monotonic(), shown["timing"]["total_ms"],
                                     shown["served_by"]["version"]))
            with self._grew:
                self._grew.notify_all()
            self._end.wait(max(0.0, begun + 1 / CALLS_A_SECOND - time.monotonic()))

    def wait_for(self, calls: int) -> None:
        with self._grew:
            self._grew.wait_for(lambda: len(self.answers) + self.failed >= calls)

    def stop(self) -> None:
        self._end.set()
        self.join()

    def slowest(self, begin: float, end: float) -> str:
        """What 99 of 100 calls of a time were not slower than."""
        taken = sorted(ms for at, ms, _ in self.answers if begin <= at < end)
        return f"{taken[(len(taken) * 99 - 1) // 100]:.1f} ms" if taken else "no calls"


def share(counts: dict[str, tuple[int, int]], classes: str) -> str:
    right = sum(counts[label][0] for label in classes)
    shown = sum(counts[label][1] for label in classes)
    return f"{right / shown:.1%}"


def teach(server: Server, pictures: pathlib.Path, steps: int | None) -> None:
    kept = pictures / "kept"
    server.must("data", "upload", kept, "--dataset", "kept", "--seal", "-q")
    server.must("train", "start", "--data", pictures / "new", "--model", MODEL,
                "--replay-dataset", "kept", "--promote", "stable", "--allow-label-change",
                *(("--steps", steps) if steps else ()), "--watch")


def show_gradients(server: Server, picture: pathlib.Path) -> None:
    """How the gradient came back through each block, and a picture of it."""
    job = max(int(one["name"].split("/")[1]) for one in server.ask("train", "list")["jobs"])
    print("\nHow its gradient came back, on both paths of every residual block:\n", flush=True)
    picture.parent.mkdir(parents=True, exist_ok=True)
    server.must("gradients", job, "--svg", picture, "--force")
    print(f"The same step by step, as a picture: {picture}")


def show(server: Server, pictures: pathlib.Path, steps: int | None, quiet_calls: int) -> None:
    held_out = pictures / "held-out"
    before = server.right(held_out, MODEL)
    print(f"\nBefore: {share(before, OLD)} of the digits 0 to 7 are read right, "
          f"{share(before, NEW)} of 8 and 9: it has no such class.\n"
          f"A client classifies {CALLS_A_SECOND} times a second from now on.\n", flush=True)
    client = Client(server, sorted(held_out.glob("[0-7]/*.png"))[::29])
    client.start()
    try:
        begun = time.monotonic()
        client.wait_for(quiet_calls)
        training = time.monotonic()
        teach(server, pictures, steps)
        ended = time.monotonic()
        after = server.right(held_out, MODEL)
    finally:
        client.stop()
    versions = sorted({version for _, _, version in client.answers})
    rows = [("", "before", "after"),
            ("digits 0 to 7, held out", share(before, OLD), share(after, OLD)),
            ("digits 8 and 9, held out", share(before, NEW), share(after, NEW)),
            ("", "quiet", "training"),
            ("99 of 100 calls took at most", client.slowest(begun, training),
             client.slowest(training, ended))]
    print()
    for name, left, right in rows:
        print(f"{name:30}{left:>10}{right:>10}")
    print(f"{len(client.answers) + client.failed} calls, {client.failed} failed, answered "
          f"by version {' and '.join(map(str, versions))} of {MODEL}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("--steps", type=int, help="of the training [chosen by the server]")
    parser.add_argument("--quiet-calls", type=int, default=QUIET_CALLS,
                        help="answers before the training [%(default)s]")
    parser.add_argument("--svg", type=pathlib.Path, default=ROOT / "build" / "gradients.svg",
                        help="the picture of the gradients [%(default)s]")
    arguments = parser.parse_args()
    with Server(arguments.binaries, "--model", ROOT / "models" / MODEL) as server:
        pictures = server.folder / "pictures"
        everything = 10_000
        kept = digit_files.write(pictures / "kept", OLD, "training", KEPT)
        new = digit_files.write(pictures / "new", NEW, "training", everything)
        held_out = digit_files.write(pictures / "held-out", OLD + NEW, "held-out", everything)
        print(f"{new} digits 8 and 9 to learn from, {kept} kept of 0 to 7, {held_out} held "
              f"out to measure", flush=True)
        show(server, pictures, arguments.steps, arguments.quiet_calls)
        show_gradients(server, arguments.svg)


if __name__ == "__main__":
    main()

"""kill -9 of a process whose threads change the store, again and again.

Four threads, each with a model of its own, import, move, roll back, delete and
collect without a grace time, in one store. After a random number of answers the
process is killed; a fresh one must find of every thread what was answered, and
of the step in flight all or nothing. Then they go on, with that step once more.

20 kills; with RESNETD_TEST_LONG=1 a thousand. The seed is printed.
"""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
import sys
import tempfile

TOOL = pathlib.Path(os.environ["RESNETD_BIN_DIR"]) / "crash_tool"
KILLS = 1_000 if os.environ.get("RESNETD_TEST_LONG") else 20
# The history of a store is replayed after each kill: a fresh store now and then.
KILLS_PER_STORE = 20
THREADS = 4


class Life:
    """One store, and what its threads were answered."""

    def __init__(self, folder: pathlib.Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.random = random.Random(seed)
        self.history: list[list[str]] = [[] for _ in range(THREADS)]
        self.next = [0] * THREADS

    def note(self, line: str) -> None:
        thread, step = line.split()
        self.history[int(thread)].append(step)
        self.next[int(thread)] = int(step[:-1]) + 1

    def live(self) -> None:
        """Mutations until the kill."""
        answers = self.random.randrange(1, 120)
        with subprocess.Popen(
                [str(TOOL), "mutate", str(self.folder), str(self.seed),
                 *map(str, self.next)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            if process.stdout.readline() != "opened\n":
                raise AssertionError("not opened: " + process.stderr.read())
            for _ in range(answers):
                self.note(process.stdout.readline())
            process.kill()
            # What was said before it died was answered.
            for line in process.stdout:
                if line.endswith("\n"):
                    self.note(line)

    def check(self, history: list[list[str]],
              ) -> subprocess.CompletedProcess[str]:
        lines = "".join(" ".join([*steps, f"{self.next[thread]}?"]) + "\n"
                        for thread, steps in enumerate(history))
        return subprocess.run(
            [str(TOOL), "check", str(self.folder), str(self.seed)],
            input=lines, capture_output=True, text=True, timeout=120,
            check=False)

    def prove(self) -> None:
        """The check fails when an answered import is not there."""
        forged = [list(steps) for steps in self.history]
        for attempt in range(100):
            forged[0] = [*self.history[0], f"{2_000_000 + attempt}+"]
            done = self.check(forged)
            if "another state than expected" in done.stderr:
                return
        raise AssertionError("the check does not find what is missing")

    def judge(self) -> None:
        """What is left is what was answered; takes over what was in flight."""
        done = self.check(self.history)
        found = done.stdout.splitlines()
        if done.returncode != 0 or len(found) != THREADS:
            raise AssertionError(done.stderr + done.stdout)
        for line in found:
            thread, where = line.split()
            if where == "after":
                # Asked for once more, as a client does that was not answered.
                self.history[int(thread)].append(
                    f"{self.next[int(thread)]}+")


def main() -> int:
    seed = first = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    kills = answered = 0
    while kills < KILLS:
        with tempfile.TemporaryDirectory() as name:
            life = Life(pathlib.Path(name) / "store", seed)
            for _ in range(min(KILLS_PER_STORE, KILLS - kills)):
                try:
                    life.live()
                    life.judge()
                except AssertionError as error:
                    print(f"seed {seed}, kill {kills}: {error}")
                    return 1
                kills += 1
            if seed == first:
                life.prove()
            answered += sum(map(len, life.history))
        seed += 1
    print(f"{kills} kills, {answered} answered steps, nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())

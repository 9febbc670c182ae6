"""kill -9 of a server that trains, at random moments, with pauses in between.

However often it dies, a job goes on from its last checkpoint and ends with the
weights of one that was never interrupted, bit for bit; no checkpoint and no event
that was told is lost; another server answers all the while. Three kills by default,
100 with RESNETD_TEST_LONG=1. The seed is printed.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import signal
import tempfile
import threading
import unittest
from typing import Any

from harness import BESIDE_OTHERS, RESNETCTL, SOURCE, Server, run, write_digits

KILLS = 100 if os.environ.get("RESNETD_TEST_LONG") == "1" else 3
SEED = 20261121
PICTURE = SOURCE / "demo" / "digit-3.png"
PICTURES = 300
START = ("train", "start", "--dataset", "all", "--model", "digits", "--scratch", "cifar_resnet8",
         "--input-size", "8", "--steps", "200", "--batch", "32")
SAVED = re.compile(r"a checkpoint was saved job=(\d+) step=(\d+)")


class Classifying:
    """Asks a server again and again, in a thread of its own."""

    def __init__(self, server: Server) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._over = threading.Event()
        self._address = server.address
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self._over.is_set():
            done = run(RESNETCTL, "--server", self._address, "classify", PICTURE)
            if done.returncode != 0:
                self.failures.append(done.stderr)
            self.answers += 1

    def __enter__(self) -> "Classifying":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class TrainKillTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.random = random.Random(SEED)
        # The newest checkpoint that the log has told of, by job.
        self.saved: dict[int, int] = {}

    def start(self, name: str) -> Server:
        return Server("--data-dir", self.folder / name, "--threads", 1, *BESIDE_OTHERS)

    def must(self, server: Server, *words: object) -> str:
        done = server.ctl(*words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}\n{server.log()}")
        return done.stdout

    def upload(self, server: Server) -> None:
        pictures = self.folder / "pictures"
        write_digits(pictures, last=PICTURES)
        self.must(server, "data", "upload", pictures, "--dataset", "all", "--seal")

    def status(self, server: Server, job: int) -> dict[str, Any]:
        return json.loads(self.must(server, "train", "show", job, "-o", "json"))["job"]["status"]

    def digests(self, server: Server) -> list[str]:
        found = json.loads(self.must(server, "models", "versions", "digits", "-o", "json"))
        return [version["weights_sha256"] for version in found["versions"]]

    def newest_job(self, server: Server) -> int:
        found = json.loads(self.must(server, "train", "list", "-o", "json"))["jobs"]
        return max((int(job["name"].split("/")[1]) for job in found), default=0)

    def remember_checkpoints(self, server: Server) -> None:
        for job, step in SAVED.findall(server.log()):
            self.saved[int(job)] = int(step)

    def check_nothing_is_lost(self, server: Server, job: int) -> None:
        kept = json.loads(self.must(server, "train", "checkpoints", job, "-o", "json"))
        newest = max((int(one["step"]) for one in kept["checkpoints"]), default=0)
        self.assertGreaterEqual(newest, self.saved.get(job, 0))
        lines = self.must(server, "train", "logs", job, "--steps", "-o", "json").splitlines()
        self.assertEqual([json.loads(line)["sequence"] for line in lines],
                         list(range(1, len(lines) + 1)))

    def live(self, server: Server, seconds: float) -> None:
        """One life of a server that trains; jobs follow each other."""
        job = self.newest_job(server)
        if job > 0:
            self.check_nothing_is_lost(server, job)
            self.assertNotIn(self.status(server, job)["state"], ("FAILED", "CANCELLED"))
        if job == 0 or self.status(server, job)["state"] == "SUCCEEDED":
            self.must(server, *START)
            job += 1
        elif self.status(server, job)["state"] == "PAUSED":
            self.must(server, "train", "resume", job)
        killer = threading.Timer(seconds, server.process.send_signal, [signal.SIGKILL])
        killer.start()
        if self.random.random() < 0.3:
            # Whether or not it is in a state for it, or dies meanwhile.
            for word in ("pause", "resume"):
                server.ctl("--timeout", "1s", "train", word, job)
        killer.join()
        server.end(signal.SIGKILL)
        self.remember_checkpoints(server)

    def test_whenever_it_is_killed_the_weights_are_the_same(self) -> None:
        print(f"seed {SEED}, {KILLS} kills")
        with self.start("whole") as server:
            self.upload(server)
            self.must(server, *START, "--watch")
            whole = self.digests(server)
        self.assertEqual(len(whole), 1)
        with self.start("killed") as server:
            self.upload(server)
        with Server() as other, Classifying(other) as classifying:
            for _ in range(KILLS):
                server = self.start("killed")
                try:
                    self.live(server, self.random.uniform(0.05, 3.0))
                finally:
                    server.close()
            with self.start("killed") as server:
                job = self.newest_job(server)
                if self.status(server, job)["state"] == "PAUSED":
                    self.must(server, "train", "resume", job)
                self.must(server, "train", "watch", job)
                self.assertEqual(self.digests(server), whole)
                self.check_nothing_is_lost(server, job)
                attempts = [self.status(server, number)["attempt"]
                            for number in range(1, job + 1)]
        print(f"{job} jobs in {attempts} attempts, {classifying.answers} answers beside them")
        self.assertEqual(classifying.failures, [])
        self.assertGreater(classifying.answers, 0)


if __name__ == "__main__":
    unittest.main()

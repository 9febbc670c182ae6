"""Trainings that go wrong, with the real programs: each fault raises its alarm, is
told in durable events, and ends as the alarm says."""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
import unittest
from typing import Any

from harness import SOURCE, Server

sys.path.insert(0, str(SOURCE / "tools"))
import digit_files  # noqa: E402

WARN = ("--on-alarm", "all=warn", "--on-alarm", "nonfinite=rollback")


class AlarmsTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.digits = self.folder / "digits"
        digit_files.write(self.digits, "0123456789", "training", 20)

    def start(self) -> Server:
        # Which priority jobs run at is no matter here, and this one is quick.
        return Server("--data-dir", self.folder / "data", "--training-gives-way=false")

    def must(self, server: Server, *words: object) -> str:
        done = server.ctl(*words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    def train(self, server: Server, job: int, *words: object, data: pathlib.Path | None = None,
              steps: int = 150) -> dict[str, Any]:
        """Starts job number `job`, waits for its end or its pause, and returns it."""
        self.must(server, "train", "start", "--data", data or self.digits, "--model", f"m{job}",
                  "--scratch", "cifar_resnet8", "--input-size", "8", "--steps", steps,
                  "--batch", "16", "--probe-every", "1", *words)
        server.ctl("train", "watch", job)
        return json.loads(self.must(server, "train", "show", job, "-o", "json"))["job"]

    def events(self, server: Server, job: int) -> list[dict[str, Any]]:
        told = self.must(server, "train", "logs", job, "-o", "json").splitlines()
        return [json.loads(line) for line in told]

    def raised(self, server: Server, job: int) -> dict[str, int]:
        """The alarms of the job, each with the step at which it was first raised."""
        found: dict[str, int] = {}
        for event in self.events(server, job):
            if event["kind"] == "ALARM_RAISED":
                alarm = event["alarm_raised"]
                found.setdefault(alarm["kind"], int(alarm["step"]))
        return found

    # Weight decay times rate is 3.8: each step turns the weights round and makes them 2.8
    # times as large, until float32 has no such numbers. Of half the rate it is 1.9, and
    # they get smaller.
    BLOW_UP = ("--lr", "3.8", "--set", "head_rate=3.8", "--set", "weight_decay=1",
               "--set", "momentum=0", "--set", "nesterov=false", "--set", "warmup=0")

    def test_numbers_that_blow_up_cost_one_rollback_and_the_job_succeeds(self) -> None:
        with self.start() as server:
            job = self.train(server, 1, *self.BLOW_UP, *WARN)
            self.assertEqual(job["status"]["state"], "SUCCEEDED")
            events = self.events(server, 1)
            sequences = [int(event["sequence"]) for event in events]
            self.assertEqual(sequences, sorted(set(sequences)))
            story = [event for event in events
                     if event["kind"] == "RECOVERED" or
                     event.get("alarm_raised", {}).get("kind") == "NONFINITE" or
                     event.get("alarm_cleared", {}).get("kind") == "NONFINITE"]
            self.assertEqual([event["kind"] for event in story],
                             ["ALARM_RAISED", "RECOVERED", "ALARM_CLEARED"], story)
            alarm, recovered, cleared = (event[event["kind"].lower()] for event in story)
            self.assertEqual(alarm["action"], "ROLLBACK")
            self.assertEqual(int(recovered["from_step"]) + 1, int(alarm["step"]))
            self.assertLess(int(recovered["to_step"]), int(alarm["step"]))
            self.assertEqual(recovered["rate_factor"], 0.5)
            self.assertEqual(cleared["raised_step"], alarm["step"])
        # They are durable.
        with self.start() as server:
            self.assertEqual(self.events(server, 1), events)

    def test_a_network_that_learns_nothing_is_told(self) -> None:
        data = self.folder / "mostly"
        digit_files.write(data, "7", "training", 100)
        digit_files.write(data, "0123", "training", 8)
        with self.start() as server:
            self.train(server, 1, "--lr", "1e-9", "--set", "head_rate=1e-9", data=data, steps=60)
            found = self.raised(server, 1)
            self.assertIn("NOT_LEARNING", found)
            self.assertGreaterEqual(found["NOT_LEARNING"], 18)


if __name__ == "__main__":
    unittest.main()

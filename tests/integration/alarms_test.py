"""Trainings that go wrong, with the real programs: each fault raises its alarm, is
told in durable events, and ends as the alarm says.

Faults are put where a user could put them: in the settings, in the labels of the
pictures, in the weights that a training begins with.
"""

from __future__ import annotations

import collections
import contextlib
import json
import pathlib
import random
import struct
import subprocess
import tempfile
import unittest
from typing import Any, Iterator

import weights
from harness import BESIDE_OTHERS, DEMO_MODEL, RESNETCTL, SOURCE, Server
# harness knows where it is.
import digit_files

WARN = ("--on-alarm", "all=warn")
ENDS = {"SUCCEEDED", "FAILED", "CANCELLED"}


def filled(tensor: weights.Tensor, value: float) -> weights.Tensor:
    count = len(tensor.data) // 4
    return weights.Tensor(tensor.dtype, tensor.shape, struct.pack("<f", value) * count)


class AlarmsTest(unittest.TestCase):
    """One server for all but who restarts it: a job more is quicker than a start."""

    digits: pathlib.Path
    server: Server
    # So many jobs has each server been given.
    jobs: collections.Counter[Server]

    @classmethod
    def setUpClass(cls) -> None:
        folder = pathlib.Path(cls.enterClassContext(
            tempfile.TemporaryDirectory(prefix="resnetd-test-")))
        cls.digits = folder / "digits"
        digit_files.write(cls.digits, "0123456789", "training", 20)
        cls.jobs = collections.Counter()
        cls.server = cls.enterClassContext(cls.start(folder))

    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory(prefix="resnetd-test-")))

    @staticmethod
    def start(folder: pathlib.Path) -> Server:
        return Server("--data-dir", folder / "data", *BESIDE_OTHERS)

    def must(self, server: Server, *words: object) -> str:
        done = server.ctl(*words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    @contextlib.contextmanager
    def watching(self, server: Server, job: int) -> Iterator[Iterator[dict[str, Any]]]:
        """The events of a job as they come."""
        with subprocess.Popen([RESNETCTL, "--server", server.address, "train", "watch",
                               str(job), "-o", "json"], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as watch:
            try:
                yield map(json.loads, watch.stdout)
            finally:
                watch.kill()

    def follow(self, server: Server, job: int, until: set[str] | None = None) -> str:
        """The state in which the job ends or waits for somebody. Once all alarms of
        `until` were raised, nobody wants to see more: it is cancelled."""
        awaited = set(until or ())
        with self.watching(server, job) as events:
            for event in events:
                awaited.discard(event.get("alarm_raised", {}).get("kind"))
                if until and not awaited:
                    until = None
                    self.must(server, "train", "cancel", job)
                state = event.get("state_changed", {}).get("to")
                if state in ENDS | {"PAUSED"}:
                    return state
        self.fail(f"the watch of job {job} broke off")

    def train(self, server: Server, *words: object, data: pathlib.Path | None = None,
              steps: int = 150, until: set[str] | None = None) -> tuple[int, str]:
        """Starts a job of a new network and waits: its number and see follow()."""
        self.jobs[server] += 1
        job = self.jobs[server]
        self.must(server, "train", "start", "--data", data or self.digits, "--model", f"m{job}",
                  "--scratch", "cifar_resnet8", "--input-size", "8", "--steps", steps,
                  "--batch", "16", "--probe-every", "1", *words)
        return job, self.follow(server, job, until)

    def go_on(self, server: Server, base: pathlib.Path, *words: object,
              steps: int = 150, labels: pathlib.Path = DEMO_MODEL / "labels.txt",
              data: pathlib.Path | None = None,
              until: set[str] | None = None) -> tuple[int, str]:
        """The same from the weights in `base`."""
        self.jobs[server] += 1
        job = self.jobs[server]
        self.must(server, "models", "import", base, "--name", f"m{job}", "--labels", labels,
                  "--resize", "8", "--crop", "8")
        self.must(server, "train", "start", "--data", data or self.digits, "--model", f"m{job}",
                  "--base", "1", "--steps", steps, "--batch", "16", "--probe-every", "1",
                  "--policy", "all", "--replay", "0", "--allow-forgetting", *words)
        return job, self.follow(server, job, until)

    def spoilt(self, changes: dict[str, float]) -> pathlib.Path:
        """The demo model, with tensors whose names end so filled with one value."""
        tensors = weights.read_safetensors(DEMO_MODEL / "model.safetensors")
        for end, value in changes.items():
            names = [name for name in tensors if name.endswith(end)]
            self.assertTrue(names, end)
            for name in names:
                tensors[name] = filled(tensors[name], value)
        path = self.folder / "spoilt.safetensors"
        weights.write_safetensors(path, tensors)
        return path

    def by_chance(self, per_class: int) -> pathlib.Path:
        """Digits under labels that say nothing of them."""
        digits = self.folder / "in-order"
        digit_files.write(digits, "0123456789", "training", per_class)
        chance = random.Random(1)
        data = self.folder / "chance"
        for number, path in enumerate(sorted(digits.glob("*/*.png"))):
            goal = data / str(chance.randrange(10)) / f"{number}.png"
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.write_bytes(path.read_bytes())
        return data

    def events(self, server: Server, job: int) -> list[dict[str, Any]]:
        told = self.must(server, "train", "logs", job, "-o", "json").splitlines()
        return [json.loads(line) for line in told]

    def status(self, server: Server, job: int) -> dict[str, Any]:
        return json.loads(self.must(server, "train", "show", job, "-o", "json"))["job"]["status"]

    def raised(self, server: Server, job: int) -> dict[str, dict[str, Any]]:
        """The alarms of the job, each as it was first raised."""
        found: dict[str, dict[str, Any]] = {}
        for event in self.events(server, job):
            if event["kind"] == "ALARM_RAISED":
                found.setdefault(event["alarm_raised"]["kind"], event["alarm_raised"])
        return found

    # Weight decay times rate is 3.8: each step turns the weights round and makes them 2.8
    # times as large, until float32 has no such numbers. Of half the rate it is 1.9, and
    # they get smaller.
    BLOW_UP = ("--lr", "3.8", "--set", "head_rate=3.8", "--set", "weight_decay=1",
               "--set", "momentum=0", "--set", "nesterov=false", "--set", "warmup=0")

    ROLL_BACK = (*WARN, "--on-alarm", "nonfinite=rollback")

    def one_rollback(self, server: Server, job: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """The alarm of numbers that blew up once, and how the job recovered."""
        events = self.events(server, job)
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
        self.assertLess(int(recovered["to_step"]), int(alarm["step"]))
        self.assertEqual(recovered["rate_factor"], 0.5)
        self.assertEqual(cleared["raised_step"], alarm["step"])
        return alarm, recovered

    def test_numbers_that_blow_up_cost_one_rollback_and_the_job_succeeds(self) -> None:
        with self.start(self.folder) as server:
            job, state = self.train(server, *self.BLOW_UP, *self.ROLL_BACK)
            self.assertEqual(state, "SUCCEEDED")
            alarm, recovered = self.one_rollback(server, job)
            events = self.events(server, job)
            recipe = self.status(server, job)["recipe"]
        # The step that the alarm names is the first one that was not made, as its loss or
        # gradient was not finite. Or the last one that was: weights are looked at where they
        # are measured or kept, and those of a step may overflow that was finite itself.
        step, made = int(alarm["step"]), int(recovered["from_step"])
        is_looked_at = any(made % int(recipe[every]) == 0
                           for every in ("evaluate_every", "checkpoint_every"))
        self.assertIn(step, (made, made + 1) if is_looked_at else (made + 1,))
        # They are durable.
        with self.start(self.folder) as server:
            self.assertEqual(self.events(server, job), events)

    def test_where_nobody_looks_at_the_weights_the_next_step_tells(self) -> None:
        # Neither measured nor kept before the end: so it goes back to the beginning.
        job, state = self.train(self.server, *self.BLOW_UP, *self.ROLL_BACK, "--set",
                                "evaluate_every=1000", "--set", "checkpoint_every=1000")
        self.assertEqual(state, "SUCCEEDED")
        alarm, recovered = self.one_rollback(self.server, job)
        self.assertEqual(int(alarm["step"]), int(recovered["from_step"]) + 1)
        self.assertEqual(int(recovered["to_step"]), 0)

    def test_a_step_larger_than_the_weights_explodes_and_the_job_waits(self) -> None:
        job, state = self.train(self.server, *self.BLOW_UP)
        self.assertEqual(state, "PAUSED")
        found = self.raised(self.server, job)
        self.assertEqual(list(found), ["EXPLODING"])
        # At the end of the warm-up, 20 samples.
        self.assertLessEqual(int(found["EXPLODING"]["step"]), 20)

    def test_rates_that_change_next_to_nothing_are_told(self) -> None:
        for rate, told in (("1e-12", {"FROZEN_UPDATES", "LR_SUSPECT"}),
                           ("1e-5", {"LR_SUSPECT"})):
            job, _ = self.train(self.server, "--lr", rate, "--set", f"head_rate={rate}", steps=40)
            self.assertEqual(self.raised(self.server, job).keys() - {"NOT_LEARNING"}, told)

    def test_labels_by_chance_are_learnt_by_heart_and_the_job_ends_early(self) -> None:
        job, state = self.train(self.server, "--lr", "0.1", "--set", "ema=0", "--set",
                                "least_scale=1", data=self.by_chance(20), steps=500)
        self.assertEqual(state, "SUCCEEDED")
        self.assertEqual(self.raised(self.server, job)["OVERFIT"]["action"], "STOP")
        self.assertLess(int(self.status(self.server, job)["step"]), 500)

    def test_a_gradient_that_is_all_noise_is_told_with_the_batch_that_would_help(self) -> None:
        job, _ = self.train(self.server, "--set", "accumulation=4", "--set", "ema=0", "--lr",
                            "0.001", *WARN, data=self.by_chance(100), steps=400,
                            until={"SNR_COLLAPSE"})
        self.assertRegex(self.raised(self.server, job)["SNR_COLLAPSE"]["text"],
                         r"batches of \d+ examples and more would help")

    def test_a_rate_that_grows_without_end_diverges_and_forgets_the_old_classes(self) -> None:
        old = SOURCE / "models" / "digits-0-7"
        data = self.folder / "many"
        digit_files.write(data, "0123456789", "training", 100)
        told = {"LOSS_DIVERGED", "FORGETTING"}
        job, _ = self.go_on(self.server, old / "model.safetensors", "--head", "grow", "--lr", "1",
                            "--set", "head_rate=1", "--set", "warmup=0.8", "--set", "ema=0", *WARN,
                            steps=300, labels=old / "labels.txt", data=data, until=told)
        found = self.raised(self.server, job)
        self.assertLessEqual(told, found.keys())
        self.assertRegex(found["FORGETTING"]["text"],
                         r"accuracy on the old classes fell from [\d.]+ % to [\d.]+ %")

    def test_a_network_that_learns_nothing_is_told(self) -> None:
        data = self.folder / "mostly"
        digit_files.write(data, "7", "training", 100)
        digit_files.write(data, "0123", "training", 8)
        job, _ = self.train(self.server, "--lr", "1e-9", "--set", "head_rate=1e-9", data=data,
                            steps=60)
        self.assertGreaterEqual(int(self.raised(self.server, job)["NOT_LEARNING"]["step"]), 18)

    def test_a_main_path_that_lets_nothing_through_is_dead(self) -> None:
        # The ReLU inside the one block whose shortcut is the identity.
        base = self.spoilt({"layer1.0.bn1.bias": -1000})
        # By the statistics of the batch its last norm has nothing to scale.
        job, _ = self.go_on(self.server, base, "--lr", "0.001", "--set", "norms=train", *WARN,
                            steps=60)
        dead = self.raised(self.server, job)["DEAD_BLOCK"]
        self.assertEqual(dead["block"], "layer1.00")
        # 20 samples, behind the steps that train the head alone.
        alone = self.status(self.server, job)["recipe"]["phases"][0]["steps"]
        self.assertEqual(int(dead["step"]), alone + 20)

    def test_a_gradient_that_both_paths_lose_vanishes(self) -> None:
        # Both ways through the second stage are scaled down, and not by a little.
        base = self.spoilt({"layer2.0.bn2.weight": 1e-5, "layer2.0.downsample.1.weight": 1e-5})
        job, _ = self.go_on(self.server, base, "--lr", "1e-6", "--set", "head_rate=1e-6", *WARN,
                            steps=60)
        self.assertIn("VANISHING", self.raised(self.server, job))


if __name__ == "__main__":
    unittest.main()

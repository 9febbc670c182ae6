"""Fine-tuning with the real programs: a folder of real digits in, a better version
out, while the server answers; and a server that is killed while it trains."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from typing import Any

from auth_test import new_token, write_secret
from harness import BESIDE_OTHERS, HELD_OUT, Server, write_digits
# harness knows where it is.
import digit_files

# The exit code of resnetctl.
OVERLOADED = 6
# One seed may be lucky.
SEEDS = range(1, 8 if os.environ.get("RESNETD_TEST_LONG") == "1" else 3)


class TrainTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self) -> Server:
        return Server("--data-dir", self.folder / "data", *BESIDE_OTHERS)

    def must(self, server: Server, *words: object) -> str:
        done = server.ctl(*words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    def upload(self, server: Server, name: str, classes: str, last: int = HELD_OUT) -> None:
        folder = self.folder / name
        write_digits(folder, last=last, classes=classes)
        self.must(server, "data", "upload", folder, "--dataset", name, "--seal")

    def job(self, server: Server, number: int) -> dict[str, Any]:
        return json.loads(self.must(server, "train", "show", str(number), "-o", "json"))

    def accuracy(self, server: Server, classes: str) -> float:
        """On digits that no job has seen."""
        folder = self.folder / f"held-out-{classes}"
        write_digits(folder, HELD_OUT, classes=classes)
        return self.right(server, folder, "digits")

    def right(self, server: Server, folder: pathlib.Path, model: str) -> float:
        """The share of the pictures in class folders that are recognised."""
        pictures = sorted(folder.glob("*/*.png"))
        shown = json.loads(self.must(server, "classify", *pictures, "--model", model,
                                     "-k", "1", "-o", "json"))
        right = sum(image["predictions"][0]["label"] == path.parent.name
                    for image, path in zip(shown["images"], pictures, strict=True))
        return right / len(pictures)

    def test_old_digits_are_kept_and_new_ones_learnt_whatever_the_seed(self) -> None:
        parts = {"old": "01234567", "new": "89"}
        for name, classes in parts.items():
            digit_files.write(self.folder / name, classes, "training", HELD_OUT)
            digit_files.write(self.folder / f"held-out-{name}", classes, "held-out", HELD_OUT)
        found: dict[str, list[float]] = {name: [] for name in parts}
        with self.start() as server:
            for seed in SEEDS:
                model = f"digits{seed}"
                self.must(server, "train", "start", "--data", self.folder / "old", "--model",
                          model, "--scratch", "cifar_resnet8", "--input-size", "8",
                          "--steps", "250", "--seed", str(seed), "--watch")
                self.must(server, "train", "start", "--data", self.folder / "new", "--model",
                          model, "--seed", str(seed), "--promote", "stable",
                          "--allow-label-change", "--watch")
                for name in parts:
                    found[name].append(
                        self.right(server, self.folder / f"held-out-{name}", model))
        print(found)
        for name, goal in (("old", 0.90), ("new", 0.95)):
            self.assertGreaterEqual(sum(found[name]) / len(SEEDS), goal, found)

    def test_eight_digits_from_scratch_then_two_more_beside_them(self) -> None:
        with self.start() as server:
            self.upload(server, "old", "01234567")
            self.must(server, "train", "start", "--dataset", "old", "--model", "digits",
                      "--scratch", "cifar_resnet8", "--input-size", "8", "--steps", "250",
                      "--watch")
            before = self.accuracy(server, "01234567")
            self.assertGreaterEqual(before, 0.95)

            new = self.folder / "New digits"
            write_digits(new, last=HELD_OUT, classes="89")
            self.upload(server, "new", "89")
            refused = server.ctl("train", "start", "--dataset", "new", "--model", "digits",
                                 "--head", "grow", "--replay", "0")
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("forget", refused.stderr)

            told = self.must(server, "train", "start", "--data", new, "--model", "digits",
                             "--promote", "stable", "--allow-label-change", "--watch")
            self.assertRegex(told, "dataset new-digits-[0-9a-f]{8}: .*SEALED")
            old = self.accuracy(server, "01234567")
            added = self.accuracy(server, "89")
            print(f"old classes {before:.3f} -> {old:.3f}, new classes {added:.3f}")
            # 70 pictures of one seed: how good it is on average is another test's.
            self.assertGreaterEqual(old, 0.90)
            self.assertGreaterEqual(added, 0.80)

            # The same pictures are the same dataset, and nothing is sent again.
            self.must(server, "train", "start", "--data", new, "--model", "digits",
                      "--manual")
            listed = json.loads(self.must(server, "data", "list", "-o", "json"))
            names = [row["name"] for row in listed["datasets"]]
            self.assertEqual(sum("new-digits-" in name for name in names), 1, names)

    def test_a_principal_has_room_for_so_many_jobs_and_another_one_has_its_own(self) -> None:
        tokens = self.folder / "tokens.toml"
        names = ("ann", "bob", "viv")
        made = {name: new_token(self.folder, name, "viewer" if name == "viv" else "trainer")
                for name in names}
        ann, bob, viv = (("--token-file", made[name][0]) for name in names)
        write_secret(tokens, "".join(entry for _, entry in made.values()))
        # At once: else the client comes back when there may be room.
        start = ("train", "start", "--dataset", "some", "--model", "digits", "--scratch",
                 "cifar_resnet8", "--input-size", "8", "--manual", "--timeout", "30s")
        with Server("--data-dir", self.folder / "data", "--tokens", tokens,
                    "--max-jobs-per-client", 2, *BESIDE_OTHERS) as server:
            folder = self.folder / "some"
            write_digits(folder, last=100, classes="01")
            self.must(server, "data", "upload", folder, "--dataset", "some", "--seal", *ann)
            for caller in (ann, ann, bob):
                self.must(server, *start, *caller)
            refused = server.ctl(*start, *ann)
            self.assertEqual(refused.returncode, OVERLOADED, refused.stderr)
            self.assertIn("you have 2 jobs that wait or run, at most 2 are accepted for one "
                          "caller", refused.stderr)
            self.must(server, *start, *bob)
            self.must(server, "train", "cancel", "1", *ann)
            while "CANCELLED" not in self.must(server, "train", "show", "1", *viv):
                pass
            self.must(server, *start, *ann)
            limits = json.loads(self.must(server, "version", "-o", "json", *viv))
            self.assertEqual(limits["server"]["limits"]["max-jobs-per-client"], 2)

    def test_metrics_show_a_job_while_it_runs_and_nothing_of_it_afterwards(self) -> None:
        with self.start() as server:
            self.upload(server, "all", "0123456789", 300)
            self.must(server, "train", "start", "--dataset", "all", "--model", "digits",
                      "--scratch", "cifar_resnet8", "--input-size", "8", "--steps", "20000",
                      "--batch", "16")
            while self.job(server, 1)["job"]["status"]["step"] == 0:
                pass
            during = server.get("/metrics")[1]
            for series in ('job_state{slot="0",state="RUNNING"} 1',
                           'queue_jobs{state="RUNNING"} 1', 'step_limit{slot="0"} 20000',
                           'loss{slot="0",split="train"}'):
                self.assertIn(f"resnetd_finetune_{series}", during)
            self.assertRegex(during, r'resnetd_finetune_job_info\{base="",config_hash="[0-9a-f]{64}",'
                                     r'model="digits",slot="0",train_job="1"\} 1')
            self.assertRegex(during, r'resnetd_finetune_examples_total\{slot="0"\} [1-9]')
            for phase in ("data", "forward", "backward", "optimizer", "probe"):
                self.assertRegex(during, r'resnetd_finetune_step_seconds_count\{phase="'
                                         + phase + r'",slot="0"\} [1-9]')
            # The first step is observed.
            measured = re.search(r'resnetd_finetune_probe_seconds_total\{slot="0"\} (\S+)', during)
            self.assertGreater(float(measured[1]), 0)
            if shutil.which("promtool"):
                checked = subprocess.run(["promtool", "check", "metrics"], input=during, text=True,
                                         capture_output=True, check=False)
                self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
            self.must(server, "train", "cancel", "1")
            server.ctl("train", "watch", "1")
            while "resnetd_finetune_job_info{" in (after := server.get("/metrics")[1]):
                pass
            left = [line for line in after.splitlines()
                    if 'slot="0"' in line and "_total{" not in line
                    and "_step_seconds_" not in line]
            self.assertEqual(left, [])
            self.assertIn('resnetd_finetune_jobs_total{state="CANCELLED"} 1', after)

    def kill_and_go_on(self, words: tuple[str, ...], job: int, versions: int) -> None:
        """Starts that job, kills the server in it, and waits for its end on another one;
        then the model has so many versions."""
        killed = self.start()
        try:
            self.must(killed, *words)
            killed.wait_for_line("a checkpoint was saved")
            killed.end(signal.SIGKILL)
        finally:
            killed.close()
        with self.start() as server:
            self.must(server, "train", "watch", str(job))
            found = json.loads(self.must(server, "models", "versions", "digits",
                                         "-o", "json"))["versions"]
            self.assertEqual(len(found), versions, found)
            self.assertIn("RECOVERING", self.must(server, "train", "logs", str(job)))

    def test_a_killed_server_goes_on_and_ends_with_the_same_weights(self) -> None:
        words = ("train", "start", "--dataset", "all", "--model", "digits", "--scratch",
                 "cifar_resnet8", "--input-size", "8", "--steps", "120")
        with self.start() as server:
            self.upload(server, "all", "0123456789", 600)
            self.must(server, *words, "--watch")
        # The same weights are the same version.
        self.kill_and_go_on(words, job=2, versions=1)

    def test_a_head_learns_from_features_and_a_kill_changes_nothing(self) -> None:
        words = ("train", "start", "--dataset", "all", "--model", "digits", "--policy", "head",
                 "--steps", "200")
        with self.start() as server:
            self.upload(server, "all", "0123456789", 600)
            self.must(server, "train", "start", "--dataset", "all", "--model", "digits",
                      "--scratch", "cifar_resnet8", "--input-size", "8", "--steps", "60",
                      "--watch")
            self.must(server, *words, "--watch")
            self.assertIn("600 pictures was computed once", self.must(server, "train", "logs", "2"))
            # The head and then the last stage, with statistics estimated on features.
            self.must(server, "train", "start", "--dataset", "all", "--model", "digits",
                      "--policy", "stages:3", "--set", "least_scale=1", "--set",
                      "norms=reestimate", "--steps", "100", "--watch")
            told = self.must(server, "train", "logs", "3")
            self.assertEqual(told.count("pictures was computed once"), 2, told)
            # On features it gets better than what it began with; the gate measures the published
            # version from pictures on.
            first, last = (self.job(server, number)["job"]["status"]["best_evaluation"]["accuracy"]
                           for number in (1, 3))
            self.assertGreaterEqual(last, first)
        # From scratch, the head, the last stage, and the head again: the same weights.
        self.kill_and_go_on(words, job=4, versions=3)


if __name__ == "__main__":
    unittest.main()

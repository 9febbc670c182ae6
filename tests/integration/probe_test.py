"""Gradients of a stored version, probed with the real programs: what the answer
proves of itself, and that nothing is changed by it."""

from __future__ import annotations

import hashlib
import json
import math
import pathlib
import tempfile
import threading
import unittest
from typing import Any

from harness import BESIDE_OTHERS, DEMO_MODEL, Server
# harness knows where it is.
import digit_files

PER_CLASS = 3


class ProbeTest(unittest.TestCase):
    """One server for all: a probe changes nothing."""

    pictures: pathlib.Path
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        folder = pathlib.Path(cls.enterClassContext(
            tempfile.TemporaryDirectory(prefix="resnetd-test-")))
        cls.pictures = folder / "pictures"
        digit_files.write(cls.pictures, "0123456789", "held-out", PER_CLASS)
        cls.server = cls.enterClassContext(
            Server("--data-dir", folder / "data", "--model", DEMO_MODEL, *BESIDE_OTHERS))

    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory(prefix="resnetd-test-")))

    def ask(self, *words: object) -> dict[str, Any]:
        done = self.server.ctl(*words, "-o", "json")
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}")
        return json.loads(done.stdout)

    def probe(self, *words: object) -> dict[str, Any]:
        return self.ask("gradients", "probe", "digits", "--data", self.pictures, *words)["report"]

    def fails(self, code: int, text: str, *words: object,
              server: Server | None = None) -> None:
        done = (server or self.server).ctl("gradients", "probe", *words)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")

    def everything(self) -> dict[str, Any]:
        """What a client sees of the version, and every logit that it answers."""
        paths = sorted(self.pictures.glob("*/*.png"))
        answer = self.ask("classify", *paths, "-m", "digits", "--logits")
        versions = self.ask("models", "versions", "digits")["versions"]
        for version in versions:
            # Grows with the pictures that it answers at a time.
            version.pop("resident_bytes", None)
        return {"versions": versions,
                "logits": [image["logits"] for image in answer["images"]]}

    def test_the_numbers_prove_themselves_and_nothing_changes(self) -> None:
        before = self.everything()
        report = self.probe("--fd-check", "--split", "--paths", "--pictures", "20")
        self.assertEqual(self.everything(), before)
        file = hashlib.sha256((DEMO_MODEL / "model.safetensors").read_bytes())
        self.assertEqual(report["weights_sha256"], file.hexdigest())
        self.assertEqual(report["version"], "models/digits/versions/1")
        self.assertEqual(report["examples"], 20)
        self.assertEqual([block["name"] for block in report["blocks"]],
                         ["layer1.00", "layer2.00", "layer3.00"])
        for block in report["blocks"]:
            paths = block["paths"]
            # |s + m|^2 by the lengths of both and their angle.
            both = (paths["shortcut"] ** 2 + paths["main"] ** 2
                    + 2 * paths["shortcut"] * paths["main"] * paths["cosine"])
            self.assertLess(abs(math.sqrt(both) / paths["input"] - 1), 1e-12, block)
            share = paths["main"] ** 2 / (paths["main"] ** 2 + paths["shortcut"] ** 2)
            self.assertAlmostEqual(paths["main_share"], share, places=12)
            if block["shortcut_is_identity"]:
                self.assertEqual(paths["shortcut"], paths["sum"])
            self.assertLess(block["parameters"]["error"], 1e-12)
            self.assertLess(block["fd_errors"]["main"], 1e-4)
            self.assertLess(block["fd_errors"]["shortcut"], 1e-4)
        ways = report["paths"]
        self.assertEqual([way["ways"] for way in ways["lengths"]], [1, 3, 3, 1])
        self.assertEqual([way["gone"] for way in ways["lengths"]], [1, 3, 3, 1])
        self.assertLess(ways["error"], 1e-12)
        self.assertAlmostEqual(sum(way["mass_share"] for way in ways["lengths"]), 1)

    def test_the_loss_is_that_of_the_answers(self) -> None:
        report = self.probe("--pictures", "30")
        paths = sorted(self.pictures.glob("*/*.png"))
        answer = self.ask("classify", *paths, "-m", "digits", "--logits")
        losses = []
        for path, image in zip(paths, answer["images"], strict=True):
            logits = image["logits"]
            most = max(logits)
            total = most + math.log(sum(math.exp(one - most) for one in logits))
            losses.append(total - logits[int(path.parent.name)])
        # The engine answers in single precision.
        self.assertAlmostEqual(report["loss"], sum(losses) / len(losses), places=4)

    def test_people_read_a_table(self) -> None:
        done = self.server.ctl("gradients", "probe", "digits@1", "--data", self.pictures,
                               "--fd-check", "--split", "--paths")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("digits@1: 16 pictures, loss ", done.stdout)
        self.assertIn("nothing was changed", done.stdout)
        for text in ("BLOCK", "layer2.00", "FD ERROR", "projection", "depth ratio ",
                     "central differences", "MAIN PATHS", "all ways were gone"):
            self.assertIn(text, done.stdout)
        self.assertNotIn("\x1b", done.stdout)

    def test_batch_norms_of_the_pictures_give_other_numbers(self) -> None:
        serving = self.probe()
        training = self.probe("--batch-statistics")
        self.assertNotEqual(serving["loss"], training["loss"])
        self.assertTrue(training["options"]["batch_statistics"])
        # And leave those of the version as they are.
        again = self.probe()
        for report in (serving, again):
            del report["took_ms"]
        self.assertEqual(serving, again)

    def test_bad_input_is_named(self) -> None:
        data = ("--data", self.pictures)
        self.fails(4, "resnetctl models versions digits", "digits@9", *data)
        self.fails(4, "resnetctl models list", "nobody", *data)
        strange = self.folder / "strange"
        digit_files.write(strange, "0", "held-out", 1)
        (strange / "0").rename(strange / "zero")
        self.fails(8, 'does not know the label "zero"', "digits", "--data", strange)
        damaged = self.folder / "damaged"
        digit_files.write(damaged, "01", "held-out", 1)
        broken = next((damaged / "1").iterdir())
        broken.write_bytes(broken.read_bytes()[:-20])
        self.fails(8, "examples[1].image", "digits", "--data", damaged)
        for words in (("--pictures", "0"), ("--pictures", "65"), ("--path-passes", "4097"),
                      ("--follow",)):
            self.fails(2, words[0], "digits", *data, *words)
        self.fails(2, "--data", "digits")
        # It still works.
        self.probe()

    def test_a_second_probe_waits_for_the_first(self) -> None:
        """By its client, which the server tells when to try again."""
        done: list[dict[str, Any]] = []
        threads = [threading.Thread(
            target=lambda: done.append(self.probe("--fd-check", "--timeout", "2m")))
            for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(done), 2)

    def test_a_server_that_only_serves_says_whom_to_ask(self) -> None:
        with Server("--roles=serve", "--registry", self.server.address) as front:
            # Perhaps it did before the constructor saw that it listens.
            if "follows the registry" not in front.log():
                front.wait_for_line("follows the registry")
            self.fails(1, "--roles", "digits", "--data", self.pictures, server=front)


if __name__ == "__main__":
    unittest.main()

"""The gate after the job: a version that did not pass, and how it is promoted all
the same, with the real programs."""

from __future__ import annotations

import json
import pathlib
import tempfile
import unittest

from harness import BESIDE_OTHERS, Server, write_digits


class GateTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self) -> Server:
        return Server("--data-dir", self.folder / "data", *BESIDE_OTHERS)

    def must(self, server: Server, *words: object, code: int = 0) -> str:
        done = server.ctl(*words)
        self.assertEqual(done.returncode, code, f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    def test_a_refused_version_is_promoted_with_a_reason_that_stays(self) -> None:
        with self.start() as server:
            # 24 validation pictures are too few for the gate.
            few = self.folder / "few"
            write_digits(few, last=300, classes="0123")
            self.must(server, "data", "upload", few, "--dataset", "few", "--seal")
            words = ("train", "start", "--model", "digits", "--dataset", "few", "--steps", "60",
                     "--watch")
            self.must(server, *words, "--scratch", "cifar_resnet8", "--input-size", "8")
            # Not promoted: the exit code says so.
            self.must(server, *words, "--promote", "stable", code=1)
            shown = json.loads(self.must(server, "models", "show", "digits@2", "-o", "json"))
            self.assertFalse(shown["version"]["gate"]["passed"])
            failed = [one["name"] for one in shown["version"]["gate"]["failed"]]
            self.assertIn("min_examples", failed)

            # The job is gone, the verdict is not.
            self.must(server, "train", "delete", "2", "--yes")
            refused = server.ctl("models", "promote", "digits@2")
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("min_examples", refused.stderr)
            self.assertIn("--override-gate", refused.stderr)
            # Half of the labels are others: what it says is too sure, whatever it learnt.
            doubt = self.folder / "doubt"
            write_digits(doubt, 300, 600, "0123")
            (doubt / "0").rename(doubt / "x")
            (doubt / "1").rename(doubt / "0")
            (doubt / "x").rename(doubt / "1")
            self.must(server, "data", "upload", doubt, "--dataset", "doubt", "--seal")
            calibrated = self.must(server, "models", "calibrate", "digits@2", "--dataset", "doubt",
                                   "--split", "all")
            self.assertIn("digits@3", calibrated)
            evaded = server.ctl("models", "promote", "digits@3")
            self.assertEqual(evaded.returncode, 1, "a calibration is no way around the gate")

            self.must(server, "models", "promote", "digits@2", "--override-gate",
                      "few pictures, all looked at")
            self.assertIn("stable: few pictures, all looked at",
                          self.must(server, "models", "show", "digits"))
        with self.start() as server:
            model = json.loads(self.must(server, "models", "show", "digits", "-o", "json"))["model"]
            self.assertEqual(model["serving_version"], 2)
            self.assertEqual(model["aliases"][0]["gate_override"], "few pictures, all looked at")


    def test_a_job_gives_its_version_the_temperature_that_fits(self) -> None:
        with self.start() as server:
            data = self.folder / "digits"
            write_digits(data, last=900, classes="0123")
            self.must(server, "data", "upload", data, "--dataset", "digits", "--seal")
            self.must(server, "train", "start", "--model", "digits", "--dataset", "digits",
                      "--steps", "40", "--scratch", "cifar_resnet8", "--input-size", "8", "--watch")
            version = json.loads(self.must(server, "models", "show", "digits@1", "-o",
                                           "json"))["version"]
            report = json.loads(self.must(server, "models", "evaluate", "digits@1", "--dataset",
                                          "digits", "-o", "json"))["report"]
            self.assertGreaterEqual(report["examples"], 50)
            self.assertAlmostEqual(version["temperature"], report["fitted_temperature"], places=2)


if __name__ == "__main__":
    unittest.main()

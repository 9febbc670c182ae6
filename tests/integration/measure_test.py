"""Versions measured with the real programs, against what Classify answers."""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import pathlib
import struct
import tempfile
import unittest
from collections.abc import Callable
from typing import Any

from harness import DEMO_MODEL, HELD_OUT, Server, write_digits
from versions_test import LABELS, preprocess_flags
from weights import Tensor, read_safetensors, write_safetensors


def changed(tensor: Tensor, change: Callable[[int, float], float]) -> Tensor:
    """A float32 tensor with other values, by their place and what they were."""
    values = [change(place, value)
              for place, (value,) in enumerate(struct.iter_unpack("<f", tensor.data))]
    return dataclasses.replace(tensor, data=struct.pack(f"<{len(values)}f", *values))


def softmax(logits: list[float], temperature: float) -> list[float]:
    most = max(logits)
    shares = [math.exp((logit - most) / temperature) for logit in logits]
    return [share / sum(shares) for share in shares]


class MeasureTest(unittest.TestCase):
    """A store with three versions of the demo network: as it is, one that says 3
    too often, and one that is three times as sure of what that one says."""

    files: list[pathlib.Path]

    @classmethod
    def setUpClass(cls) -> None:
        folder = pathlib.Path(cls.enterClassContext(
            tempfile.TemporaryDirectory(prefix="resnetd-test-")))
        tensors = read_safetensors(DEMO_MODEL / "model.safetensors")
        biased = dict(tensors)
        biased["fc.bias"] = changed(tensors["fc.bias"],
                                    lambda place, value: value + (5 if place == 3 else 0))
        sure = dict(biased)
        for name in ("fc.weight", "fc.bias"):
            sure[name] = changed(biased[name], lambda _, value: 3 * value)
        cls.files = []
        for name, content in (("plain", tensors), ("biased", biased), ("sure", sure)):
            cls.files.append(folder / f"{name}.safetensors")
            write_safetensors(cls.files[-1], content)

    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory(prefix="resnetd-test-")))
        self.pictures = self.folder / "pictures"
        write_digits(self.pictures, HELD_OUT)

    def start(self) -> Server:
        return Server("--data-dir", self.folder / "data")

    def ask(self, server: Server, *words: object, code: int = 0) -> dict[str, Any]:
        """Runs a command with -o json and returns its document."""
        result = server.ctl(*words, "-o", "json")
        self.assertEqual(result.returncode, code, f"{words}: {result.stderr}")
        return json.loads(result.stdout)

    def import_all(self, server: Server) -> None:
        for file in self.files:
            self.ask(server, "models", "import", file, "--name", "hand", "--labels", LABELS,
                     *preprocess_flags())

    def paths(self) -> list[pathlib.Path]:
        return sorted(self.pictures.glob("*/*.png"))

    def said(self, server: Server, version: int) -> dict[pathlib.Path, str]:
        """What Classify takes each picture for."""
        paths = self.paths()
        shown = self.ask(server, "classify", *paths, "-m", f"hand@{version}", "-k", "1")
        return {path: image["predictions"][0]["label"]
                for path, image in zip(paths, shown["images"], strict=True)}

    def report(self, server: Server, version: int) -> dict[str, Any]:
        return self.ask(server, "models", "evaluate", f"hand@{version}",
                        "--data", self.pictures)["report"]

    def test_an_evaluation_says_what_classify_says(self) -> None:
        with self.start() as server:
            self.import_all(server)
            report = self.report(server, 2)
            said = self.said(server, 2)
            cells = collections.Counter(
                (int(path.parent.name), int(label)) for path, label in said.items())
            right = sum(count for (truth, label), count in cells.items() if truth == label)
            self.assertEqual(report["examples"], 360)
            self.assertEqual(report["correct"], right)
            self.assertLess(right, 355, "the bias has changed nothing")
            self.assertEqual({(cell["label"], cell["predicted"]): cell["examples"]
                              for cell in report["confusion"]}, dict(cells))
            for one in report["classes"]:
                examples = sum(n for (truth, _), n in cells.items() if truth == one["index"])
                predicted = sum(n for (_, label), n in cells.items() if label == one["index"])
                correct = cells[one["index"], one["index"]]
                self.assertEqual(one["examples"], examples)
                self.assertAlmostEqual(one["recall"], correct / examples)
                self.assertAlmostEqual(one["precision"], correct / predicted)
            self.assertGreater(report["latency_ms"], 0)

            # The pictures are there: nothing is sent again, nothing is added.
            again = server.ctl("models", "evaluate", "hand@2", "--data", self.pictures)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertIn("stays on the server", again.stderr)
            self.assertEqual(len(self.ask(server, "data", "list")["datasets"]), 1)
            self.assertIn("hand@2 on dataset pictures-", again.stdout)

    def test_a_version_is_let_go_when_it_was_not_loaded(self) -> None:
        with self.start() as server:
            self.import_all(server)
            self.ask(server, "models", "unload", "hand@2")
            self.report(server, 2)
            shown = self.ask(server, "models", "show", "hand@2")
            self.assertEqual(shown["version"]["residency"], "UNLOADED")

    def test_a_comparison_counts_what_classify_says(self) -> None:
        with self.start() as server:
            self.import_all(server)
            report = self.ask(server, "models", "compare", "hand", "hand@2",
                              "--data", self.pictures)["report"]
            first, second = self.said(server, 1), self.said(server, 2)
            truth = {path: path.parent.name for path in self.paths()}
            only_first = sum(first[p] == truth[p] != second[p] for p in truth)
            only_second = sum(second[p] == truth[p] != first[p] for p in truth)
            self.assertEqual(report["all"]["only_champion"], only_first)
            self.assertEqual(report["all"]["only_candidate"], only_second)
            total = only_first + only_second
            tail = sum(math.comb(total, k) for k in range(min(only_first, only_second) + 1))
            p_value = 1.0 if only_first == only_second else min(1.0, 2 * tail / 2 ** total)
            self.assertAlmostEqual(report["p_value"], p_value, places=12)
            self.assertFalse(report["gate"]["passed"])
            self.assertEqual(report["size_ratio"], 1)

    def test_calibrating_changes_probabilities_and_nothing_else(self) -> None:
        with self.start() as server:
            self.import_all(server)
            before = self.report(server, 3)
            self.assertEqual(before["correct"], self.report(server, 2)["correct"])
            made = self.ask(server, "models", "calibrate", "hand@3", "--data", self.pictures)
            self.assertTrue(made["created"])
            version = made["version"]
            self.assertEqual(version["version"], 4)
            self.assertEqual(version["parent_version"], 3)
            self.assertEqual(version["temperature"], before["fitted_temperature"])
            # Three times the logits need three times the temperature.
            self.assertAlmostEqual(version["temperature"] / 3,
                                   self.report(server, 2)["fitted_temperature"], places=2)
            after = self.report(server, 4)
            self.assertEqual(after["confusion"], before["confusion"])
            self.assertLess(after["calibration_error"], before["calibration_error"])
            self.assertLess(after["loss"], before["loss"])

            # It answers whoever names it, once it is loaded.
            self.ask(server, "models", "load", "hand@4")
            pictures = self.paths()[::36]
            plain = self.ask(server, "classify", *pictures, "-m", "hand@3", "--logits", "-k", "10")
            warm = self.ask(server, "classify", *pictures, "-m", "hand@4", "--logits", "-k", "10")
            for one, other in zip(plain["images"], warm["images"], strict=True):
                self.assertEqual(one["logits"], other["logits"])
                wanted = softmax(other["logits"], version["temperature"])
                for prediction in other["predictions"]:
                    self.assertAlmostEqual(prediction["probability"],
                                           wanted[prediction["index"]], places=5)
                self.assertNotAlmostEqual(one["predictions"][0]["probability"],
                                          other["predictions"][0]["probability"], places=6)

            file = self.folder / "out.safetensors"
            exported = server.ctl("models", "export", "hand@4", file)
            self.assertIn(f"--temperature {version['temperature']}", exported.stderr)
            again = self.ask(server, "models", "import", file, "--name", "hand", "--labels", LABELS,
                             "--temperature", str(version["temperature"]), *preprocess_flags())
            self.assertFalse(again["created"], "the same weights at the same temperature")
            self.assertEqual(again["version"]["version"], 4)
        with self.start() as server:
            shown = self.ask(server, "models", "show", "hand@4")["version"]
            self.assertEqual(shown["temperature"], version["temperature"])

    def test_refusals_say_what_to_do(self) -> None:
        with self.start() as server:
            self.import_all(server)
            (self.pictures / "0").rename(self.pictures / "zero")
            wrong = server.ctl("models", "evaluate", "hand", "--data", self.pictures)
            self.assertEqual(wrong.returncode, 8, wrong.stderr)
            self.assertIn('does not know the label "zero"', wrong.stderr)
            self.assertEqual(self.ask(server, "data", "list")["datasets"], [])

            server.ctl("data", "upload", self.pictures, "--dataset", "open")
            unsealed = self.ask(server, "models", "evaluate", "hand", "--dataset", "open", code=1)
            self.assertEqual(unsealed["error"]["reason"], "DATASET_NOT_SEALED")
            server.ctl("data", "seal", "open")
            unknown = self.ask(server, "models", "compare", "hand", "hand@2", "--dataset", "open",
                               "--split", "all", code=8)
            self.assertEqual(unknown["error"]["reason"], "REQUEST_INVALID")
            self.assertIn('"zero" (', unknown["error"]["message"])
            none = self.ask(server, "models", "evaluate", "hand", "--dataset", "open",
                            "--split", "test", code=1)
            self.assertEqual(none["error"]["reason"], "TOO_FEW_EXAMPLES")
            missing = self.ask(server, "models", "evaluate", "hand@9", "--dataset", "open", code=4)
            self.assertEqual(missing["error"]["reason"], "VERSION_NOT_FOUND")


if __name__ == "__main__":
    unittest.main()

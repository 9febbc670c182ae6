"""Precisions of versions with the real programs: pictures that a user sends,
a precision for each model, answers before the choice is made."""

from __future__ import annotations

import json
import math
import pathlib
import random
import re
import struct
import tempfile
import unittest
from typing import Any

from harness import DEMO_MODEL, HELD_OUT, SOURCE, Server, write_digits
from models_file_test import PREPROCESS_TOML
from weights import Tensor, write_safetensors


def resnet18(path: pathlib.Path) -> None:
    """Weights as they are before training, but for a head that says class 3 to all, so
    that rounding does not change which class comes first."""
    tensors: dict[str, Tensor] = {}
    # Repeated: twelve million numbers take Python seconds.
    chance = random.Random(18)
    noise = [chance.gauss(0, 1) for _ in range(1 << 14)]

    def add(name: str, shape: list[int], scale: float = 0, offset: float = 0) -> None:
        block = struct.pack(f"<{len(noise)}f", *(offset + scale * x for x in noise))
        size = 4 * math.prod(shape)
        tensors[name] = Tensor("F32", shape, (block * (size // len(block) + 1))[:size])

    def convolution(name: str, shape: list[int], norm: str) -> None:
        add(f"{name}.weight", shape, scale=math.sqrt(2 / math.prod(shape[1:])))
        add(f"{norm}.weight", shape[:1], offset=1)
        add(f"{norm}.bias", shape[:1])
        add(f"{norm}.running_mean", shape[:1])
        add(f"{norm}.running_var", shape[:1], offset=1)

    convolution("conv1", [64, 3, 7, 7], "bn1")
    width = 64
    for stage, planes in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name = f"layer{stage}.{block}"
            convolution(f"{name}.conv1", [planes, width, 3, 3], f"{name}.bn1")
            convolution(f"{name}.conv2", [planes, planes, 3, 3], f"{name}.bn2")
            if width != planes:
                convolution(f"{name}.downsample.0", [planes, width, 1, 1],
                            f"{name}.downsample.1")
            width = planes
    add("fc.weight", [10, 512])
    bias = [0.0] * 10
    bias[3] = 10.0
    tensors["fc.bias"] = Tensor("F32", [10], struct.pack("<10f", *bias))
    write_safetensors(path, tensors)


class QuantizeTest(unittest.TestCase):
    """Servers with the digits that the demo model has not seen."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.pictures = self.folder / "pictures"
        write_digits(self.pictures, HELD_OUT)

    def ask(self, server: Server, *words: object, code: int = 0) -> dict[str, Any]:
        result = server.ctl(*words, "-o", "json")
        self.assertEqual(result.returncode, code, f"{words}: {result.stderr}")
        return json.loads(result.stdout)

    def version(self, server: Server, name: str) -> dict[str, Any]:
        return self.ask(server, "models", "show", name)["version"]

    def start(self, *flags: object) -> Server:
        return Server("--data-dir", self.folder / "data", *flags)

    def metric(self, server: Server, series: str) -> float:
        for line in server.get("/metrics")[1].splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no {series}")

    def fallback(self, reason: str) -> str:
        return f'resnetd_engine_fallbacks_total{{reason="{reason}"}}'

    def test_pictures_that_a_user_sends_bring_int8(self) -> None:
        with self.start("--model", DEMO_MODEL, "--precision", "int8") as server:
            server.wait_for_line("precision chosen")
            before = self.version(server, "digits@1")
            self.assertNotEqual(before["precision"], "int8", "nobody gave pictures")
            self.assertIn("no pictures to calibrate with", before["precision_choice"])
            refused = 'resnetd_precision_refusals_total{precision="int8",reason="no_pictures"}'
            self.assertEqual(self.metric(server, refused), 1)
            for reason in ("kernels_capped", "unfused_convolutions", "batch_size_left_out",
                           "batch_halved", "other_device", "kept_choice_dropped", "int8_clips"):
                # Whether this processor's kernels work is no matter of this test.
                if reason != "kernels_capped":
                    self.assertEqual(self.metric(server, self.fallback(reason)), 0)
                self.assertGreaterEqual(self.metric(server, self.fallback(reason)), 0)

            trial = self.ask(server, "models", "quantize", "digits", "--data", self.pictures,
                             "--dry-run")
            self.assertEqual(trial["report"]["chosen"], "int8")
            self.assertEqual(self.version(server, "digits@1")["precision"],
                             before["precision"])

            made = self.ask(server, "models", "quantize", "digits", "--data", self.pictures)
            self.assertEqual(made["version"]["precision"], "int8")
            self.assertRegex(made["version"]["precision_choice"],
                             r"cuts off 0\.[0-9]+ % of the activations")
            trials = {one["precision"]: one for one in made["report"]["trials"]}
            self.assertEqual(set(trials), {"fp32", "bf16", "int8"})
            # Of 256 pictures 64 calibrate and the others judge.
            self.assertEqual(trials["int8"]["examples"], 192)
            self.assertGreaterEqual(trials["int8"]["agreeing"], 0.985 * 192)
            self.assertEqual(trials["int8"]["labelled"], 192)
            self.assertGreaterEqual(trials["int8"]["correct"], 0.99 * trials["fp32"]["correct"])
            self.assertLess(trials["int8"]["memory_bytes"], trials["fp32"]["memory_bytes"])
            self.assertIn('precision="int8"', server.get("/metrics")[1])

            report = self.ask(server, "models", "evaluate", "digits", "--data",
                              self.pictures)["report"]
            self.assertEqual(report["precision"], "int8")
            self.assertGreaterEqual(report["correct"], 350)

            # It is not asked for again, and can be: from int8 this time.
            again = self.ask(server, "models", "quantize", "digits", "--data", self.pictures)
            self.assertEqual(again["version"]["precision"], "int8")

        # The next start has the pictures, and the choice; not that of a version which
        # was deleted while it was away.
        choices = self.folder / "data" / "precision"
        kept = sorted(choices.glob("*.json"))
        self.assertGreaterEqual(len(kept), 1)
        gone = choices / "gone.json"
        gone.write_text(re.sub(r'("weights_sha256": ")[0-9a-f]{64}', r"\g<1>" + 64 * "0",
                               kept[0].read_text()))
        with self.start("--precision", "int8") as server:
            # By a thread of its own: before the server is ready or after that.
            server.wait_for_line("precision choices of deleted versions were removed",
                                 anywhere=True)
            self.assertEqual(sorted(choices.glob("*.json")), kept)
            # From the first answer on: it was told before the server was ready.
            self.assertIn('choice="int8 chosen', server.log())
            shown = self.version(server, "digits@1")
            self.assertEqual(shown["precision"], "int8")
            self.assertIn('precision="int8"', server.get("/metrics")[1])
            self.assertEqual(self.metric(server, refused), 0)
            answer = self.ask(server, "classify", SOURCE / "demo" / "digit-3.png")
            self.assertEqual(answer["images"][0]["predictions"][0]["label"], "3")

    def test_a_server_that_serves_floats_keeps_the_pictures_for_later(self) -> None:
        with self.start("--model", DEMO_MODEL) as server:
            result = server.ctl("models", "quantize", "digits", "--data", self.pictures)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("as the server was started with --precision=fp32", result.stdout)
            self.assertEqual(self.version(server, "digits@1")["precision"], "fp32")
        with self.start("--precision", "int8") as server:
            self.assertIn("int8 chosen", server.wait_for_line("precision chosen"))

    def test_a_model_has_a_precision_of_its_own(self) -> None:
        models = self.folder / "models.toml"
        models.write_text("".join(
            f'[[model]]\nname = "{name}"\nfile = "{DEMO_MODEL}/model.safetensors"\n'
            f'precision = "{precision}"\n{PREPROCESS_TOML}'
            for name, precision in (("floats", "fp32"), ("bytes", "bf16"))))
        with self.start("--models-file", models, "--model-precision", "bytes=int8",
                        "--precision", "auto",
                        "--calibration-pictures", self.pictures) as server:
            line = server.wait_for_line("precision chosen")
            self.assertIn("bytes", line)
            self.assertEqual(self.version(server, "bytes@1")["precision"], "int8")
            floats = self.version(server, "floats@1")
            self.assertEqual((floats["precision"], floats["precision_choice"]), ("fp32", ""))

    def test_too_few_pictures_and_unknown_ones_are_refused(self) -> None:
        few = self.folder / "few" / "0"
        few.mkdir(parents=True)
        for path in sorted(self.pictures.glob("0/*.png"))[:20]:
            (few / path.name).write_bytes(path.read_bytes())
        with self.start("--model", DEMO_MODEL, "--precision", "int8",
                        "--calibration-pictures", few) as server:
            self.assertIn("20 real pictures, at least 80 are needed",
                          server.wait_for_line("precision chosen"))
            refused = 'resnetd_precision_refusals_total{precision="int8",' \
                      'reason="too_few_pictures"}'
            self.assertEqual(self.metric(server, refused), 1)
            result = server.ctl("models", "quantize", "digits", "--data", few.parent)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("20 pictures", result.stderr)
            self.assertIn("80", result.stderr)
            result = server.ctl("models", "quantize", "digits", "--dataset", "nothing")
            self.assertNotEqual(result.returncode, 0)

    def test_the_first_answer_does_not_wait_for_the_choice(self) -> None:
        weights = self.folder / "resnet18.safetensors"
        resnet18(weights)
        few = self.folder / "few"
        few.mkdir()
        for path in sorted(self.pictures.glob("*/*.png"))[::4]:
            (few / path.name).write_bytes(path.read_bytes())
        with self.start("--weights", weights, "--precision", "int8",
                        "--calibration-pictures", few) as server:
            answer = self.ask(server, "classify", SOURCE / "demo" / "digit-0.png")
            self.assertEqual(answer["images"][0]["predictions"][0]["label"], "3")
            early = self.version(server, "resnet18@1")
            self.assertEqual((early["precision"], early["precision_choice"]), ("fp32", ""))
            self.assertNotIn("precision chosen", server.log())
            server.wait_for_line("precision chosen")
            late = self.version(server, "resnet18@1")
            self.assertEqual(late["precision"], "int8", late["precision_choice"])
            self.assertLess(late["resident_bytes"], early["resident_bytes"] / 2)
            answer = self.ask(server, "classify", SOURCE / "demo" / "digit-0.png")
            self.assertEqual(answer["images"][0]["predictions"][0]["label"], "3")


if __name__ == "__main__":
    unittest.main()

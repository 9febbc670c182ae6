"""The LibTorch plug-in in the real server, and the server without it."""

from __future__ import annotations

import json
import pathlib
import shutil
import tempfile
import unittest

from harness import (BESIDE_OTHERS, DEMO_MODEL, PATIENCE_SECONDS, RESNETD, SOURCE, Server, run,
                     write_digits)

PICTURES = [SOURCE / "demo" / name
            for name in json.loads((SOURCE / "demo" / "expected.json").read_text())]


def logits(server: Server) -> list[list[float]]:
    """Of every demo picture."""
    result = server.ctl("classify", *PICTURES, "--logits", "-o", "json")
    assert result.returncode == 0, result.stderr
    return [image["logits"] for image in json.loads(result.stdout)["images"]]


class TorchTest(unittest.TestCase):
    """--backend=torch."""

    def test_it_answers_as_the_engine_does(self) -> None:
        with Server() as engine:
            expected = logits(engine)
        with Server("--backend=torch") as torch:
            shown = json.loads(torch.ctl("classify", PICTURES[0], "-o", "json").stdout)
            self.assertEqual(shown["served_by"]["backend"], "torch")
            found = logits(torch)
        for row, expected_row in zip(found, expected, strict=True):
            scale = max(abs(value) for value in expected_row)
            for value, expected_value in zip(row, expected_row, strict=True):
                self.assertLessEqual(abs(value - expected_value), 1e-5 * scale)

    def test_a_gpu_on_the_host_answers_as_the_engine_does(self) -> None:
        with Server() as engine:
            expected = logits(engine)
        for device, precision, most in (("fake", "fp32", 1e-5), ("fake", "bf16", 5e-2),
                                        ("fake", "fp16", 1e-2), ("fake,fake", "fp32", 1e-5)):
            with Server("--backend=torch", f"--device={device}",
                        f"--precision={precision}") as fake:
                shown = json.loads(fake.ctl("classify", PICTURES[0], "-o", "json").stdout)
                self.assertEqual(shown["served_by"]["precision"], precision)
                found = logits(fake)
            for row, expected_row in zip(found, expected, strict=True):
                scale = max(abs(value) for value in expected_row)
                for value, expected_value in zip(row, expected_row, strict=True):
                    self.assertLessEqual(abs(value - expected_value), most * scale)

    def test_a_server_whose_device_breaks_ends_with_its_own_exit_code(self) -> None:
        # What starting takes, and some batches more; of two the first to break is enough.
        for device in ("fake:40", "fake:80,fake:80"):
            with self.subTest(device=device):
                self.see_it_break(device)

    def test_a_device_that_breaks_while_the_server_starts_ends_it_with_that_code(self) -> None:
        for device in ("fake:0", "fake:2", "fake,fake:2"):
            with self.subTest(device=device):
                result = run(RESNETD, "--backend=torch", f"--device={device}",
                             "--listen=127.0.0.1:0", "--http-listen=127.0.0.1:0",
                             "--drain-delay-ms=600000")
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertIn("broken for this process", result.stderr)

    def test_a_device_that_breaks_under_a_training_step_ends_the_server(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            pictures = pathlib.Path(folder) / "pictures"
            write_digits(pictures, last=120)
            data = ("--data-dir", pathlib.Path(folder) / "data", *BESIDE_OTHERS)
            # The classifier is another device, which goes on working.
            server = Server("--train-device=fake:4", "--drain-delay-ms=600000", *data)
            try:
                self.must(server, "data", "upload", pictures, "--dataset", "few", "--seal")
                self.must(server, "train", "start", "--dataset", "few", "--model", "digits",
                          "--scratch", "cifar_resnet8", "--input-size", "8", "--steps", "40",
                          "--batch", "16")
                self.assertEqual(server.process.wait(timeout=PATIENCE_SECONDS), 3,
                                 server.log())
                self.assertIn("broken for this process", server.log())
                self.assertIn("a job was left to the next start", server.log())
            finally:
                server.close()
            # The next start goes on with it.
            with Server(*data) as server:
                self.must(server, "train", "watch", "1")
                shown = json.loads(self.must(server, "train", "show", "1", "-o", "json"))
                self.assertEqual(shown["job"]["status"]["state"], "SUCCEEDED")
                self.assertEqual(shown["job"]["status"]["attempt"], 2)

    def must(self, server: Server, *words: str | pathlib.Path) -> str:
        done = server.ctl(*words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    def test_a_version_of_coarse_arithmetic_is_loaded_by_finer_ones(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            data = ("--data-dir", pathlib.Path(folder) / "data")
            with Server("--backend=torch", "--device=fake", "--precision=bf16", *data) as bf16:
                made = bf16.ctl("models", "import", DEMO_MODEL / "model.safetensors", "--name",
                                "coarse", "--labels", DEMO_MODEL / "labels.txt",
                                "--resize", "32", "--crop", "32")
                self.assertEqual(made.returncode, 0, made.stderr)
            for flags in (("--backend=torch", "--device=fake", "--precision=fp16"),
                          ("--backend=torch", "--device=fake"), ()):
                with Server(*flags, *data) as finer:
                    answer = finer.ctl("classify", PICTURES[0], "-m", "coarse")
                    self.assertEqual(answer.returncode, 0, answer.stderr)
                    warmed = finer.ctl("models", "warmup", "coarse@1")
                    self.assertEqual(warmed.returncode, 0, warmed.stderr)

    def see_it_break(self, device: str) -> None:
        server = Server("--backend=torch", f"--device={device}", "--drain-delay-ms=600000")
        try:
            answered = 0
            while server.ctl("classify", PICTURES[0]).returncode == 0:
                answered += 1
            # By itself, and without the delay that lets callers go elsewhere.
            self.assertEqual(server.process.wait(timeout=PATIENCE_SECONDS), 3)
            self.assertIn("broken for this process", server.log())
        finally:
            server.close()
        self.assertGreater(answered, 0)

    def test_the_engine_server_never_loads_it(self) -> None:
        with Server() as server:
            maps = pathlib.Path(f"/proc/{server.process.pid}/maps").read_text()
        self.assertNotIn("libtorch", maps)
        self.assertNotIn("libresnetd_torch", maps)

    def test_a_server_without_the_plug_in_says_how_to_get_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            alone = pathlib.Path(folder) / "bin" / "resnetd"
            alone.parent.mkdir()
            shutil.copy(RESNETD, alone)
            result = run(alone, "--backend=torch", "--model", DEMO_MODEL,
                         "--listen=127.0.0.1:0", "--http-listen=127.0.0.1:0")
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn("./dev setup", result.stderr)
            with Server("--model", DEMO_MODEL, binary=alone) as server:
                self.assertEqual(server.ctl("classify", PICTURES[0]).returncode, 0)

    def test_a_machine_without_a_gpu_says_so(self) -> None:
        if pathlib.Path("/dev/nvidia0").exists():
            with Server("--backend=torch", "--device=cuda") as server:
                self.assertEqual(server.ctl("classify", PICTURES[0]).returncode, 0)
            return
        result = run(RESNETD, "--backend=torch", "--device=cuda",
                     "--listen=127.0.0.1:0", "--http-listen=127.0.0.1:0")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("--device", result.stderr)


if __name__ == "__main__":
    unittest.main()

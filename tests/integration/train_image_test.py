"""The image that fine-tunes, without Docker, as image_test.py has the one that
classifies."""

from __future__ import annotations

import json
import sys
import unittest

from harness import SOURCE, Server
from image_test import HOME, Image

sys.path.insert(0, str(SOURCE / "tools"))
import digit_files  # noqa: E402


class TrainImageTest(Image):
    """The image that fine-tunes: LibTorch, in the flavour of the plug-in, is where the
    plug-in looks, and needs no folder to write to but those two."""

    trains = True

    def must(self, server: Server, *words: object) -> str:
        done = server.ctl(*words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    def test_it_trains_as_another_user_and_writes_to_its_volume_alone(self) -> None:
        before = self.files()
        digit_files.write(self.folder / "digits", "0123456789", "training", 40)
        with Server("--data-dir", "/var/lib/resnetd", "--train-threads", 1,
                    "--training-gives-way=false", binary=self.inside("resnetd")) as server:
            self.must(server, "train", "start", "--data", self.folder / "digits", "--model",
                      "net", "--scratch", "cifar_resnet8", "--input-size", 8, "--steps", 10,
                      "--watch")
            job = json.loads(self.must(server, "train", "show", 1, "-o", "json"))["job"]
            self.assertEqual(job["status"]["state"], "SUCCEEDED")
            self.must(server, "classify", "-m", "net@1",
                      SOURCE / "demo" / "digit-3.png")
        self.assertEqual(self.files(), before)

    def test_it_has_few_libraries_beside_those_of_libtorch(self) -> None:
        self.assert_few_libraries()
        names = {path.name for path in (self.root / HOME.lstrip("/") / "lib").rglob("*.so*")}
        self.assertLess({"libresnetd_torch.so", "libtorch_cpu.so", "libc10.so"}, names)
        document = json.loads((self.root / "usr/share/doc/resnetd/sbom.spdx.json").read_text())
        self.assertIn("torch", [one["name"] for one in document["packages"]])


if __name__ == "__main__":
    unittest.main()

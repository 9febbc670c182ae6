"""The image that fine-tunes, without Docker, as image_test.py has the one that
classifies."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import unittest

from harness import BESIDE_OTHERS, SOURCE, Server
from image_test import HOME, Image

# Of docs/operations.md: with LibTorch for CPUs and for GPUs.
MOST_BYTES_CPU = 1_200_000_000
MOST_BYTES_CUDA = 4_500_000_000
STATIC = SOURCE / "cmake" / "StaticGrpc.cmake"

sys.path.insert(0, str(SOURCE / "tools"))
import digit_files  # noqa: E402


def triplet() -> str:
    done = subprocess.run(["gcc", "-print-multiarch"], check=True, capture_output=True,
                          text=True)
    return done.stdout.strip()


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
        with Server("--data-dir", "/var/lib/resnetd", *BESIDE_OTHERS,
                    binary=self.inside("resnetd")) as server:
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
        is_cuda = "libtorch_cuda.so" in names
        self.assertLess(self.size(), MOST_BYTES_CUDA if is_cuda else MOST_BYTES_CPU)

    def symbols(self, *words: object) -> set[str]:
        """Those in the namespace of abseil that `nm` lists."""
        done = subprocess.run(["nm", *map(str, words)], check=True, capture_output=True,
                              text=True)
        return set(re.findall(r"\b(_Z(?:T[VTIS])?N[KRO]*4absl\w*)", done.stdout))

    def test_the_plug_in_finds_its_abseil_in_an_executable_that_has_the_archives(self) -> None:
        # resnetd_export_absl() puts these into the executable, whole.
        parts = re.search(r"foreach\(part IN ITEMS ([\w ]+)\)", STATIC.read_text())[1].split()
        archives = [pathlib.Path(f"/usr/lib/{triplet()}/libabsl_{part}.a") for part in parts]
        wanted = self.symbols("-D", "--undefined-only",
                              self.folder / "prefix/lib/libresnetd_torch.so")
        self.assertGreater(len(wanted), 5)
        there = self.symbols("--defined-only", "--extern-only", *archives)
        self.assertEqual(wanted - there, set())


if __name__ == "__main__":
    unittest.main()

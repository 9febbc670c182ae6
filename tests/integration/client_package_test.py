"""The client library as other projects use it: installed, found, built against, run.

RESNETD_BUILD_DIR names the build that is installed, CXX its compiler, and CXXFLAGS
what it needs beside (a sanitizer).
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import BIN, SOURCE, Server, run

BUILD = pathlib.Path(os.environ.get("RESNETD_BUILD_DIR", BIN.parent))
PROJECT = SOURCE / "tests" / "client_package"
EXPECTED: dict[str, str] = json.loads((SOURCE / "demo" / "expected.json").read_text())


def cmake(*words: object) -> subprocess.CompletedProcess[str]:
    return run("cmake", *words)


class ClientPackageTest(unittest.TestCase):
    folder: pathlib.Path

    @classmethod
    def setUpClass(cls) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="resnetd-package-")
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        done = cmake("--install", BUILD, "--component", "client", "--prefix", cls.folder / "prefix")
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        done = cls.configure(PROJECT, cls.folder / "build")
        if done.returncode == 0:
            done = cmake("--build", cls.folder / "build")
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)

    @classmethod
    def configure(cls, project: pathlib.Path,
                  build: pathlib.Path) -> subprocess.CompletedProcess[str]:
        return cmake("-S", project, "-B", build, "-G", "Ninja",
                     f"-DCMAKE_PREFIX_PATH={cls.folder / 'prefix'}")

    def test_a_picture_is_classified(self) -> None:
        with Server() as server:
            for name, label in sorted(EXPECTED.items())[:3]:
                done = run(self.folder / "build" / "classify", server.address, SOURCE / "demo" / name)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout.split()[0], label)
            done = run(self.folder / "build" / "classify", server.address, PROJECT / "CMakeLists.txt")
            self.assertEqual(done.returncode, 1)
            self.assertIn("IMAGE_", done.stderr)

    def test_errors_come_with_their_reason(self) -> None:
        done = run(self.folder / "build" / "classify", "localhost:http", SOURCE / "demo" / "digit-0.png")
        self.assertEqual(done.returncode, 2)
        self.assertIn("localhost:http", done.stderr)

    def test_what_is_installed_is_the_library_alone(self) -> None:
        prefix = self.folder / "prefix"
        names = {path.name for path in prefix.rglob("*") if path.is_file()}
        self.assertIn("libresnetd_client.a", names)
        self.assertFalse({"resnetd", "resnetctl"} & names)
        headers = list(prefix.rglob("*.h"))
        self.assertGreater(len(headers), 10)
        for header in headers:
            for included in re.findall(r'#include [<"]([^>"]+)[>"]', header.read_text()):
                self.assertNotRegex(included, "grpc|protobuf|pb.h|server/|nlohmann", header)
                if included.startswith("client/"):
                    self.assertTrue((prefix / "include" / "resnetd_client" / included).is_file(),
                                    f"{header} includes {included}")

    def test_another_version_is_not_found(self) -> None:
        other = self.folder / "other"
        other.mkdir()
        for version, is_found in (("0.1", True), ("0.1.0", True), ("0.2", False), ("1.0", False)):
            (other / "CMakeLists.txt").write_text(
                "cmake_minimum_required(VERSION 3.25)\nproject(other LANGUAGES CXX)\n"
                f"find_package(resnetd_client {version} REQUIRED)\n")
            done = self.configure(other, self.folder / f"other-{version}")
            self.assertEqual(done.returncode == 0, is_found, done.stderr)


if __name__ == "__main__":
    unittest.main()

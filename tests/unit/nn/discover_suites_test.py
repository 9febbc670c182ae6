#!/usr/bin/env python3
"""cmake/DiscoverSuites.cmake with programs made up for it, read by the real ctest."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
CMAKE = os.environ.get("CMAKE_PROGRAM", "cmake")
CTEST = os.environ.get("CTEST_PROGRAM", "ctest")
LISTED = """Running main() from ./googletest/src/gtest_main.cc
PlainTest.
  Works
  Works2
Kinds/TableTest.
  HoldsFor/small  # GetParam() = { "a;b]", 1 }
  HoldsFor/large  # GetParam() = [[
DeviceTest.
  Runs
  Stops/0  # GetParam() = 1
"""


class DiscoverSuitesTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()

    def program(self, does="exit 0", lists=LISTED):
        """A program that lists those tests, and does that when it is to run some."""
        (self.folder / "list").write_text(lists)
        path = self.folder / "program"
        path.write_text('#!/bin/sh\n[ "$1" != --gtest_list_tests ] || '
                        f'exec cat "{self.folder}/list"\n{does}\n')
        path.chmod(0o755)
        return path

    def discover(self, program, alone="DeviceTest"):
        script = self.folder / "discover.cmake"
        script.write_text(f'include("{ROOT}/cmake/DiscoverSuites.cmake")\n'
                          f'resnetd_write_suites("{program}" "{self.folder}/CTestTestfile.cmake" '
                          f'"{alone}" "LABELS;unit;TIMEOUT;7;ENVIRONMENT;ONE=1")\n')
        return subprocess.run([CMAKE, "-P", script], capture_output=True, text=True, check=False)

    def ctest(self, *words):
        return subprocess.run([CTEST, "--test-dir", self.folder, *words], capture_output=True,
                              text=True, check=False)

    def entries(self):
        done = self.ctest("--show-only=json-v1")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["tests"]

    def test_a_suite_is_an_entry_and_one_that_stands_alone_an_entry_a_test(self):
        program = self.program()
        done = self.discover(program)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({one["name"]: one["command"] for one in self.entries()}, {
            name: [str(program), f"--gtest_filter={wanted}"] for name, wanted in (
                ("PlainTest", "PlainTest.*"), ("Kinds/TableTest", "Kinds/TableTest.*"),
                ("DeviceTest.Runs", "DeviceTest.Runs"),
                ("DeviceTest.Stops/0", "DeviceTest.Stops/0"))})
        for one in self.entries():
            found = {each["name"]: each["value"] for each in one["properties"]}
            self.assertEqual((found["LABELS"], found["TIMEOUT"], found["ENVIRONMENT"]),
                             (["unit"], 7, ["ONE=1"]))

    def outcomes(self, does):
        """Of a suite, and of a test that stands alone, when programs do that."""
        self.assertEqual(self.discover(self.program(does)).returncode, 0)
        said = self.ctest("-V").stdout
        return [next(line for line in said.splitlines() if f"{name} ." in line)
                for name in ("PlainTest", "DeviceTest.Runs")]

    def test_what_a_program_says_is_what_ctest_says(self):
        for does, suite, alone in (("exit 0", "Passed", "Passed"),
                                   ("exit 1", "Failed", "Failed"),
                                   ('echo "[  SKIPPED ] X.Y"', "Failed", "Skipped")):
            with self.subTest(does):
                of_suite, of_alone = self.outcomes(does)
                self.assertIn(suite, of_suite)
                self.assertIn(alone, of_alone)

    def test_a_program_without_tests_or_that_fails_is_no_list(self):
        for listed, does in (("", "exit 0"), ("Running main()\n", "exit 0")):
            done = self.discover(self.program(does, listed))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("lists no tests", done.stderr)
        broken = self.program()
        broken.write_text("#!/bin/sh\nexit 3\n")
        done = self.discover(broken)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cannot list its tests: 3", done.stderr)


if __name__ == "__main__":
    unittest.main()

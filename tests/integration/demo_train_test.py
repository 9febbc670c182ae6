"""`./dev demo --train`, with fewer steps and calls; all of them with RESNETD_TEST_LONG=1."""

from __future__ import annotations

import os
import pathlib
import re
import tempfile
import unittest
from xml.etree import ElementTree

from harness import BIN, SOURCE, run

STEPS = () if os.environ.get("RESNETD_TEST_LONG") == "1" else ("--steps", 200, "--quiet-calls", 20)


class DemoTrainTest(unittest.TestCase):

    def share(self, text: str, row: str) -> tuple[float, float]:
        """Before and after, of a row of the last table."""
        found = re.search(rf"{row}, held out +([0-9.]+)% +([0-9.]+)%", text)
        self.assertIsNotNone(found, text)
        assert found
        return float(found[1]), float(found[2])

    def test_a_model_learns_two_digits_while_a_client_classifies(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        picture = pathlib.Path(folder.name) / "gradients.svg"
        done = run("/usr/bin/python3", "-B", SOURCE / "tools" / "demo_train.py", BIN, *STEPS,
                   "--svg", picture)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        print(done.stdout[done.stdout.rindex("before"):])
        before, after = self.share(done.stdout, "digits 0 to 7")
        self.assertGreaterEqual(before, 98)
        self.assertGreaterEqual(after, 90)
        before, after = self.share(done.stdout, "digits 8 and 9")
        self.assertEqual(before, 0)
        self.assertGreaterEqual(after, 90)
        self.assertIn(" 0 failed, answered by version 1 and 2 of digits-0-7", done.stdout)
        self.assertIn("CARRIED BY", done.stdout)
        self.assertEqual(ElementTree.parse(picture).getroot().tag,
                         "{http://www.w3.org/2000/svg}svg")


if __name__ == "__main__":
    unittest.main()

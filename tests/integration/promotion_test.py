"""An alias moves under load: no call fails, no answer mixes versions.

Asserts nothing about time; tests/bench/promotion_bench.py prints that.
RESNETD_TEST_LONG=1 makes 1,000 cycles of 50.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import BIN, PATIENCE_SECONDS, SOURCE, Server
from weight_files import digest, variant

CYCLES = 1000 if os.environ.get("RESNETD_TEST_LONG") == "1" else 50


class PromotionTest(unittest.TestCase):
    """One real server with a data directory, one client that calls and moves."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.files = [variant(self.folder / f"{number}.safetensors", number)
                      for number in (1, 2)]

    def load(self, server: Server, cycles: int) -> dict:
        done = subprocess.run(
            [BIN / "promotion_load", server.address, str(server.process.pid), *self.files,
             *sorted((SOURCE / "demo").glob("digit-*")),
             f"--cycles={cycles}", "--interval-ms=5", "--seconds=1"],
            capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS * 10)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_no_call_fails_and_no_answer_mixes_versions(self) -> None:
        with Server("--data-dir", self.folder / "data") as server:
            result = self.load(server, CYCLES)
            for phase in ("full", "quiet", "during"):
                part = result[phase]
                self.assertEqual(part["failed"], 0, part["example"])
                self.assertEqual(part["mixed"], 0, part["example"])
                self.assertGreater(part["answers"], 10)
            # Both answered while the alias moved; else nothing was shown.
            self.assertEqual(set(result["during"]["by_version"]), {"1", "2"})
            self.assertEqual(set(result["quiet"]["by_version"]), {"1"})

            metrics = server.get("/metrics")[1]
            for kind, count in (("set", CYCLES + 1), ("rollback", CYCLES)):
                found = re.findall(r"^resnetd_alias_switches_total\{kind=\"" + kind
                                   + r"\",model=\"promoted\"\} (\d+)$", metrics, re.MULTILINE)
                self.assertEqual(found, [str(count)])
            self.assertIn('resnetd_alias_info{alias="stable",digest="'
                          + digest(self.files[0]) + '",model="promoted",version="1"} 1',
                          metrics)
            self.assertEqual(metrics.count('resnetd_model_info{'), 2)

    def test_a_wrong_answer_would_be_noticed(self) -> None:
        """The check of the test above can fail: a third version is none of the two."""
        with Server("--data-dir", self.folder / "data") as server:
            third = variant(self.folder / "3.safetensors", 3)
            imported = server.ctl("models", "import", third, "--name", "promoted",
                                  "--resize", "32", "--crop", "32")
            self.assertEqual(imported.returncode, 0, imported.stderr)
            result = self.load(server, 0)
            # "stable" names the third version, which answers otherwise.
            self.assertGreater(result["quiet"]["mixed"], 0)


if __name__ == "__main__":
    unittest.main()

"""Datasets with the real programs: real digits in, a sealed dataset out."""

from __future__ import annotations

import csv
import hashlib
import json
import pathlib
import shutil
import signal
import subprocess
import tarfile
import tempfile
import unittest
from typing import Any

from harness import PATIENCE_SECONDS, RESNETCTL, RESNETD, Server, environment, run, write_digits
# harness knows where it is.
from digit_files import digit, digits

# How often each pixel of a digit is repeated where an upload has to take its time.
LARGE = 64


class DataTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.pictures = self.folder / "pictures"

    def start(self) -> Server:
        return Server("--data-dir", self.folder / "data", "--decode-threads", 1)

    def ask(self, server: Server, *words: object, code: int = 0) -> dict[str, Any]:
        """Runs a command with -o json and returns its document."""
        result = server.ctl("data", *words, "-o", "json")
        self.assertEqual(result.returncode, code, f"{words}: {result.stderr}")
        return json.loads(result.stdout)

    def upload(self, server: Server, *words: object, code: int = 0) -> dict[str, Any]:
        return self.ask(server, "upload", self.pictures, "--dataset", "digits", *words,
                        code=code)

    def begin_upload(self, server: Server) -> subprocess.Popen[bytes]:
        """An upload that has sent something and has not ended."""
        client = subprocess.Popen(
            [str(RESNETCTL), "--server", server.address, "data", "upload",
             str(self.pictures), "--dataset", "digits", "-q"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        while True:
            shown = server.ctl("data", "show", "digits", "-o", "json")
            if (shown.returncode == 0
                    and json.loads(shown.stdout)["dataset"]["example_count"] > 0):
                break
            self.assertIsNone(client.poll(), "the upload ended too early")
        self.assertIsNone(client.poll(), "the upload was too quick to be broken")
        return client

    def test_digits_become_a_sealed_dataset(self) -> None:
        classes = write_digits(self.pictures)
        # What is wrong with real folders.
        some = sorted((self.pictures / "3").iterdir())
        (self.pictures / "3" / "truncated.png").write_bytes(some[0].read_bytes()[:70])
        shutil.copy(some[1], self.pictures / "3" / "again.png")
        shutil.copy(some[2], self.pictures / "4" / "conflict.png")
        (self.pictures / "5" / "text.jpg").write_text("no picture at all")
        (self.pictures / "5" / "notes.txt").write_text("passed over")
        with self.start() as server:
            sent = self.upload(server)
            self.assertTrue(sent["created"])
            self.assertEqual(sent["accepted"], 1797)
            self.assertEqual(sent["duplicates"], 1)
            self.assertEqual(sent["ignored_files"], 1)
            # Byte-wise, "0312.png" comes before "conflict.png" and "3" before "4".
            self.assertEqual(sent["rejected_by_code"],
                             {"DUPLICATE_CONFLICTING_LABEL": 1, "TRUNCATED": 1,
                              "UNSUPPORTED_FORMAT": 1})
            rejected = {row["name"]: row
                        for row in self.ask(server, "rejected", "digits")["rejected"]}
            self.assertEqual(set(rejected),
                             {"3/truncated.png", "4/conflict.png", "5/text.jpg"})
            self.assertEqual(rejected["4/conflict.png"]["code"],
                             "DUPLICATE_CONFLICTING_LABEL")
            self.assertIn('"3"', rejected["4/conflict.png"]["message"])

            # The same command again sends nothing.
            again = self.upload(server)
            self.assertFalse(again["created"])
            self.assertEqual((again["resumed_at"], again["bytes"]), (1801, 0))

            sealed = self.ask(server, "seal", "digits")["dataset"]
            self.assertEqual(sealed["state"], "SEALED")
            self.assertEqual(self.ask(server, "seal", "digits")["dataset"]["digest"],
                             sealed["digest"])
            refused = self.upload(server, code=1)
            self.assertEqual(refused["error"]["reason"], "DATASET_SEALED")

            shown = self.ask(server, "show", "digits")
            self.assertEqual(shown["dataset"]["labels"], sorted(classes))
            report = shown["report"]
            self.assertEqual(
                {row["label"]: row["train"] + row["validation"] + row["test"]
                 for row in report["classes"]}, classes)
            self.check_split(report)
            self.assertEqual(report["grey_share"], 1)
            self.assertEqual(report["width"], {"min": 8, "median": 8, "max": 8})
            # Of all pixels, as numpy would have it.
            pixels = [(value * 255 + 8) // 16 / 255
                      for values, _ in digits() for value in values]
            mean = sum(pixels) / len(pixels)
            spread = (sum((p - mean) ** 2 for p in pixels) / len(pixels)) ** 0.5
            for channel in range(3):
                self.assertAlmostEqual(report["mean"][channel], mean, places=9)
                self.assertAlmostEqual(report["std"][channel], spread, places=9)
            text = server.ctl("data", "show", "digits").stdout
            self.assertIn(sealed["digest"], text)
            digest = sealed["digest"]
        with self.start() as server:
            listed = self.ask(server, "list")["datasets"]
            self.assertEqual([(row["name"], row["digest"]) for row in listed],
                             [("datasets/digits", digest)])
            self.ask(server, "delete", "digits", "--yes")
            self.assertEqual(self.ask(server, "list")["datasets"], [])
            self.assertEqual(
                self.ask(server, "show", "digits", code=4)["error"]["reason"],
                "DATASET_NOT_FOUND")
            self.assertEqual(self.upload(server, code=1)["error"]["reason"],
                             "DATASET_EXISTS")

    def check_split(self, report: dict[str, Any]) -> None:
        """The documented hash decides, computed here independently."""
        expected = 0
        for values, _ in digits():
            image = hashlib.sha256(digit(values)).digest()
            point = hashlib.sha256((0).to_bytes(8, "big") + image).digest()[:8]
            expected += int.from_bytes(point, "big") / 2**64 < 0.2
        self.assertEqual(report["total"],
                         {"train": 1797 - expected, "validation": expected, "test": 0})

    def test_equal_data_have_an_equal_digest_whatever_brings_them(self) -> None:
        write_digits(self.pictures, last=300)
        archive = self.folder / "digits.tar.gz"
        table = self.folder / "digits.csv"
        paths = sorted(self.pictures.rglob("*.png"), reverse=True)
        with tarfile.open(archive, "w:gz") as tar:
            for path in paths:
                label = self.folder / f"{path.stem}.cls"
                label.write_text(path.parent.name)
                tar.add(path, f"{path.stem}.png")
                tar.add(label, f"{path.stem}.cls")
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label"])
            writer.writerows((path.relative_to(self.folder), path.parent.name)
                             for path in paths)
        with Server() as server:  # The temporary store.
            seen = set()
            for name, source in (("folder", self.pictures), ("tar", archive),
                                 ("csv", table)):
                sent = self.ask(server, "upload", source, "--dataset", name, "--seal")
                self.assertEqual(sent["accepted"], 300, name)
                seen.add(sent["dataset"]["digest"])
            self.assertEqual(len(seen), 1)

    def test_a_killed_client_goes_on_where_it_was(self) -> None:
        write_digits(self.pictures, last=900, scale=LARGE)
        with self.start() as server:
            client = self.begin_upload(server)
            client.send_signal(signal.SIGKILL)
            client.wait(PATIENCE_SECONDS)
            sent = self.upload(server)
            self.assertGreater(sent["resumed_at"], 0)
            # The batch that was under way may have been added meanwhile: it is
            # passed over.
            self.assertLessEqual(sent["resumed_at"] + sent["accepted"], 900)
            self.assertEqual((sent["duplicates"], sent["rejected"]), (0, 0))
            self.assertEqual(sent["next_index"], 900)
            self.assertEqual(sent["dataset"]["example_count"], 900)

    def test_what_a_killed_server_acknowledged_is_there(self) -> None:
        write_digits(self.pictures, last=900, scale=LARGE)
        server = self.start()
        try:
            client = self.begin_upload(server)
            acknowledged = self.ask(server, "show", "digits")["dataset"]["example_count"]
            server.end(signal.SIGKILL)
            # 3: no server.
            self.assertEqual(client.wait(PATIENCE_SECONDS), 3)
        finally:
            server.close()
        with self.start() as server:
            there = self.ask(server, "show", "digits")["dataset"]["example_count"]
            self.assertGreaterEqual(there, acknowledged)
            sent = self.upload(server, "--seal")
            self.assertEqual(sent["resumed_at"], there)
            self.assertEqual(sent["duplicates"], 0)
            self.assertEqual(sent["dataset"]["example_count"], 900)
        found = run(RESNETD, "--verify-store", "--data-dir", self.folder / "data")
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)


if __name__ == "__main__":
    unittest.main()

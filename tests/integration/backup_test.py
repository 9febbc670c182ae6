"""A backup while the server runs and is changed, and the way back: with the real
programs, the restored store is sound and serves what was acknowledged before."""

from __future__ import annotations

import json
import pathlib
import tempfile
import threading
import unittest

from harness import DEMO_MODEL, RESNETCTL, RESNETD, SOURCE, Server, run
from weights import read_safetensors, shifted, write_safetensors

PICTURE = SOURCE / "demo" / "digit-3.png"


class BackupTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.tensors = read_safetensors(DEMO_MODEL / "model.safetensors")

    def add(self, server: Server, number: int) -> None:
        """A version of `net`; each is another one."""
        self.tensors["fc.bias"] = shifted(self.tensors["fc.bias"], 0.125)
        file = self.folder / f"{number}.safetensors"
        write_safetensors(file, self.tensors)
        done = run(RESNETCTL, "--server", server.address, "models", "import", file, "--name",
                   "net", "--labels", DEMO_MODEL / "labels.txt", "--resize", 32, "--crop", 32)
        self.assertEqual(done.returncode, 0, done.stderr)

    def versions(self, server: Server) -> list[int]:
        done = server.ctl("models", "versions", "net", "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return sorted(int(one["version"]) for one in json.loads(done.stdout)["versions"])

    def back_up(self, name: str) -> pathlib.Path:
        target = self.folder / name
        done = run(RESNETD, "--data-dir", self.folder / "data", "--backup-store", target)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("backed up: the database, ", done.stdout)
        return target

    def test_backups_of_a_busy_server_are_sound_and_serve(self) -> None:
        with Server("--data-dir", self.folder / "data", "--collect-grace-s", 0) as server:
            self.add(server, 1)
            self.add(server, 2)
            ended = threading.Event()
            failures: list[BaseException] = []

            def change() -> None:
                """Imports, deletions and promotions, one after the other."""
                try:
                    number = 3
                    while not ended.is_set():
                        self.add(server, number)
                        server.ctl("models", "promote", f"net@{number}")
                        server.ctl("models", "delete", f"net@{number - 1}", "-y")
                        number += 1
                except BaseException as failure:  # To be told by the test's thread.
                    failures.append(failure)

            changes = threading.Thread(target=change)
            changes.start()
            try:
                before = self.versions(server)
                folders = [self.back_up(f"backup-{number}") for number in range(5)]
                after = self.versions(server)
            finally:
                ended.set()
                changes.join()
            self.assertEqual(failures, [])
        self.assertIn(1, before)
        self.assertIn(1, after)
        for folder in folders:
            verified = run(RESNETD, "--verify-store", "--data-dir", folder)
            self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        self.restored(folders[-1])

    def restored(self, folder: pathlib.Path) -> None:
        with Server("--data-dir", folder) as server:
            self.assertIn(1, self.versions(server))
            verified = server.ctl("models", "verify")
            self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
            done = server.ctl("classify", "-m", "net", PICTURE)
            self.assertEqual(done.returncode, 0, done.stderr)
            # It goes on from there.
            self.add(server, 1000)

    def test_what_cannot_be_backed_up_is_told(self) -> None:
        missing = run(RESNETD, "--data-dir", self.folder / "none", "--backup-store",
                      self.folder / "backup")
        self.assertEqual(missing.returncode, 1)
        alone = run(RESNETD, "--backup-store", self.folder / "backup")
        self.assertEqual(alone.returncode, 2)
        self.assertIn("--backup-store needs --data-dir", alone.stderr)
        with Server("--data-dir", self.folder / "data"):
            self.back_up("backup")
            again = run(RESNETD, "--data-dir", self.folder / "data", "--backup-store",
                        self.folder / "backup")
            self.assertEqual(again.returncode, 1)
            self.assertIn("a backup goes into a new folder", again.stderr)


if __name__ == "__main__":
    unittest.main()

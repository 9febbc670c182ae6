"""What the operator declares at start: files, lists, restarts, a store that stays."""

from __future__ import annotations

import json
import pathlib
import sqlite3
import subprocess
import tempfile
import unittest

from harness import DEMO_MODEL, RESNETD, SOURCE, Server, environment, run
from weight_files import PREPROCESS, digest, variant

PICTURE = SOURCE / "demo" / "digit-3.png"
PREPROCESS_TOML = "preprocess = {resize = 32, crop = 32, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5]}\n"


def served(server: Server, *flags: object) -> dict:
    result = server.ctl("classify", PICTURE, "-o", "json", *flags)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["served_by"]


class DeclaredTest(unittest.TestCase):
    """A server that is started again and again on one data directory."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.data = self.folder / "data"
        self.one = variant(self.folder / "one.safetensors", 1)
        self.two = variant(self.folder / "two.safetensors", 2)
        (self.folder / "labels.txt").write_bytes((DEMO_MODEL / "labels.txt").read_bytes())

    def declare(self, weights: str, **more: str) -> pathlib.Path:
        file = self.folder / "models.toml"
        extra = "".join(f'{key} = "{value}"\n' for key, value in more.items())
        file.write_text(f'[[model]]\nname = "m"\nfile = "{weights}"\nlabels = "labels.txt"\n'
                        + extra + PREPROCESS_TOML)
        return file

    def server(self, *flags: object) -> Server:
        return Server("--data-dir", self.data, *flags)

    def refuse(self, *flags: object, code: int) -> str:
        result = run(RESNETD, "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", *flags)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stderr

    def test_a_list_is_served_and_a_restart_undoes_no_promotion(self) -> None:
        file = self.declare("one.safetensors")
        with self.server("--models-file", file) as server:
            self.assertEqual(served(server)["weights_sha256"], digest(self.one))
            imported = server.ctl("models", "import", self.two, "--name", "m", "--promote",
                                  "--labels", self.folder / "labels.txt", *PREPROCESS)
            self.assertEqual(imported.returncode, 0, imported.stderr)
            self.assertEqual(served(server)["weights_sha256"], digest(self.two))
        with self.server("--models-file", file) as server:
            self.assertEqual(served(server)["weights_sha256"], digest(self.two))
        # Without the list too: the store knows.
        with self.server() as server:
            self.assertEqual(served(server)["weights_sha256"], digest(self.two))
        # A change is rolled out; the bytes are a version already.
        file = self.declare("one.safetensors", description="again")
        with self.server("--models-file", file) as server:
            self.assertEqual(served(server)["weights_sha256"], digest(self.one))

    def test_one_file_is_served_with_its_labels(self) -> None:
        # The demo's network, asked for pictures as ImageNet's are.
        with Server("--weights", self.one, "--labels", self.folder / "labels.txt",
                    "--model-name", "mine") as server:
            result = server.ctl("classify", "-m", "mine", PICTURE, "-o", "json")
            self.assertEqual(result.returncode, 0, result.stderr)
            shown = json.loads(result.stdout)
            self.assertEqual(shown["served_by"]["weights_sha256"], digest(self.one))
            self.assertIn(shown["images"][0]["predictions"][0]["label"],
                          (DEMO_MODEL / "labels.txt").read_text().splitlines())

    def test_an_empty_store_serves_nothing_until_something_is_imported(self) -> None:
        with self.server() as server:
            self.assertEqual(server.get("/readyz")[0], 200)
            self.assertNotEqual(server.ctl("classify", PICTURE).returncode, 0)
            self.assertEqual(server.ctl("models", "import", self.one, "--name", "m",
                                        *PREPROCESS).returncode, 0)
            self.assertEqual(served(server)["weights_sha256"], digest(self.one))

    def test_a_second_server_on_the_same_data_is_refused(self) -> None:
        with self.server():
            said = self.refuse("--data-dir", self.data, code=1)
            self.assertIn("data", said)
            said = self.refuse("--data-dir", self.data, "--verify-store", code=1)

    def test_the_store_of_a_newer_server_is_refused(self) -> None:
        with self.server():
            pass
        database = next(self.data.glob("*.db"))
        with sqlite3.connect(database) as connection:
            connection.execute("PRAGMA user_version = 999")
        connection.close()
        self.assertIn("newer", self.refuse("--data-dir", self.data, code=1))

    def test_a_folder_of_something_else_is_refused(self) -> None:
        self.data.mkdir()
        (self.data / "letters.txt").write_text("dear")
        self.refuse("--data-dir", self.data, code=1)
        self.assertEqual((self.data / "letters.txt").read_text(), "dear")

    def test_what_is_wrong_with_the_list_is_named(self) -> None:
        said = self.refuse("--models-file", self.declare("nowhere.pth"), code=2)
        self.assertIn('"m"', said)
        self.assertIn("nowhere.pth", said)
        said = self.refuse("--models-file", self.declare("one.safetensors", lables="x"), code=2)
        self.assertIn('did you mean "labels"?', said)
        said = self.refuse("--models-file", self.declare("one.safetensors", sha256="0" * 64),
                           code=2)
        self.assertIn("SHA-256", said)
        said = self.refuse("--models-file",
                           self.declare("one.safetensors", architecture="resnet18"), code=2)
        self.assertIn("layer4", said)

    def test_a_file_that_is_no_weights_is_refused(self) -> None:
        junk = self.folder / "junk.pth"
        junk.write_bytes(b"junk" * 100)
        said = self.refuse("--weights", junk, code=2)
        self.assertIn("junk.pth", said)

    def test_verify_store_reads_what_a_server_wrote(self) -> None:
        with self.server("--models-file", self.declare("one.safetensors")):
            pass
        result = run(RESNETD, "--verify-store", "--data-dir", self.data)
        self.assertEqual((result.returncode, result.stdout), (0, "the store is sound\n"),
                         result.stderr)
        result = run(RESNETD, "--verify-store", "--data-dir", self.folder / "nowhere")
        self.assertEqual(result.returncode, 1)
        self.assertIn("holds no store", result.stderr)

    def test_a_damaged_version_leaves_the_others_serving(self) -> None:
        other = self.folder / "other.toml"
        other.write_text(self.declare("one.safetensors").read_text()
                         + '[[model]]\nname = "other"\nfile = "two.safetensors"\n'
                         + PREPROCESS_TOML)
        with self.server("--models-file", other):
            pass
        blob = next(path for path in self.data.glob("blobs/**/*")
                    if path.name.endswith(digest(self.one)[-60:]))
        blob.chmod(0o600)
        data = bytearray(blob.read_bytes())
        data[-1] ^= 1
        blob.write_bytes(data)
        with self.server() as server:
            self.assertEqual(served(server, "-m", "other")["weights_sha256"], digest(self.two))
            refused = server.ctl("classify", "-m", "m", PICTURE)
            self.assertNotEqual(refused.returncode, 0)
            metrics = server.get("/metrics")[1]
            self.assertIn('resnetd_model_load_failures_total{reason="STORE_CORRUPT"} 1', metrics)
            self.assertIn("resnetd_store_integrity_failures_total 1", metrics)

    def test_nothing_is_left_behind_without_a_data_directory(self) -> None:
        temporary = self.folder / "tmp"
        temporary.mkdir()
        with Server(TMPDIR=str(temporary)) as server:
            self.assertEqual(len(list(temporary.iterdir())), 1)
            self.assertEqual(served(server)["model"], "models/digits")
        self.assertEqual(list(temporary.iterdir()), [])

    def test_a_failed_start_leaves_nothing_behind_either(self) -> None:
        temporary = self.folder / "tmp"
        temporary.mkdir()
        done = subprocess.run([str(RESNETD), "--listen=127.0.0.1:0", "--http-listen=127.0.0.1:0",
                               "--weights", str(self.folder / "nowhere.pth")],
                              env=environment(TMPDIR=str(temporary)), capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(list(temporary.iterdir()), [])


if __name__ == "__main__":
    unittest.main()

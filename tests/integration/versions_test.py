"""The life of versions with the real programs: import, promote, roll back."""

from __future__ import annotations

import hashlib
import json
import pathlib
import subprocess
import tempfile
import unittest
from typing import Any

from harness import DEMO_MODEL, RESNETCTL, SOURCE, Server, environment
from weights import read_safetensors, shifted, write_pth, write_safetensors

EXPECTED: dict[str, str] = json.loads((SOURCE / "demo" / "expected.json").read_text())
PICTURES = [SOURCE / "demo" / name for name in sorted(EXPECTED)]
LABELS = DEMO_MODEL / "labels.txt"
NAME = "handwriting"


def preprocess_flags() -> list[str]:
    spec = json.loads((DEMO_MODEL / "manifest.json").read_text())["preprocess"]
    return ["--resize", str(spec["resize"]), "--crop", str(spec["crop"]),
            "--mean", ",".join(map(str, spec["mean"])),
            "--std", ",".join(map(str, spec["std"]))]


class VersionsTest(unittest.TestCase):
    """One store, two versions of the demo network: as .pth, as .safetensors."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="resnetd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        tensors = read_safetensors(DEMO_MODEL / "model.safetensors")
        self.first = self.folder / f"{NAME}.pth"
        write_pth(self.first, tensors)
        # The same classes, by a hair other logits.
        tensors["fc.bias"] = shifted(tensors["fc.bias"], 0.125)
        self.second = self.folder / "second.safetensors"
        write_safetensors(self.second, tensors)

    def start(self, *flags: object) -> Server:
        return Server("--data-dir", self.folder / "data", *flags)

    def ask(self, server: Server, *words: object, code: int = 0) -> dict[str, Any]:
        """Runs a command with -o json and returns its document."""
        result = server.ctl(*words, "-o", "json")
        self.assertEqual(result.returncode, code, f"{words}: {result.stderr}")
        return json.loads(result.stdout)

    def import_both(self, server: Server) -> tuple[dict[str, Any], dict[str, Any]]:
        return (self.ask(server, "models", "import", self.first, "--labels", LABELS,
                         *preprocess_flags()),
                self.ask(server, "models", "import", self.second, "--name", NAME,
                         "--labels", LABELS, *preprocess_flags()))

    def served_version(self, server: Server, model: str = NAME) -> int:
        """Classifies every picture, rightly, and returns who answered."""
        answer = self.ask(server, "classify", "-m", model, *PICTURES)
        for picture, image in zip(PICTURES, answer["images"], strict=True):
            self.assertEqual(image["predictions"][0]["label"],
                             EXPECTED[picture.name], picture)
        return int(answer["served_by"]["version"])

    def test_a_model_lives_from_its_import_to_the_next_start(self) -> None:
        with self.start() as server:
            first, second = self.import_both(server)
            self.assertTrue(first["created"] and second["created"])
            self.assertEqual(first["serving_version"], 1)
            self.assertEqual(second["serving_version"], 1)
            self.assertEqual(first["version"]["source_format"], "pth")
            self.assertEqual(first["version"]["source_sha256"],
                             hashlib.sha256(self.first.read_bytes()).hexdigest())
            self.assertEqual(first["version"]["labels"],
                             LABELS.read_text().splitlines())
            self.assertEqual(self.served_version(server), 1)

            promoted = self.ask(server, "models", "promote", f"{NAME}@2", "--expect", 1)
            self.assertEqual(promoted["alias"]["previous_version"], 1)
            self.assertEqual(self.served_version(server), 2)
            rolled_back = self.ask(server, "models", "rollback", NAME)
            self.assertEqual(rolled_back["alias"]["version"], 1)
            self.assertEqual(self.served_version(server), 1)

            self.assertTrue(self.ask(server, "models", "verify")["ok"])
            self.ask(server, "models", "delete", f"{NAME}@2", "--yes")
            self.ask(server, "models", "show", f"{NAME}@2", code=4)
        with self.start() as server:
            versions = self.ask(server, "models", "versions", NAME)["versions"]
            self.assertEqual([v["version"] for v in versions], [1])
            self.assertEqual(self.served_version(server), 1)
            self.assertTrue(self.ask(server, "models", "verify")["ok"])
            self.assertTrue(self.ask(server, "doctor")["ok"])

    def test_what_is_exported_is_what_was_imported(self) -> None:
        with self.start() as server:
            self.import_both(server)
            out, labels = self.folder / "out.safetensors", self.folder / "out.txt"
            exported = self.ask(server, "models", "export", f"{NAME}@1", out,
                                "--labels", labels)
            digest = hashlib.sha256(out.read_bytes()).hexdigest()
            self.assertEqual(digest, exported["sha256"])
            self.assertEqual(labels.read_text(), LABELS.read_text())
            self.assertEqual(read_safetensors(out),
                             read_safetensors(DEMO_MODEL / "model.safetensors"))
            again = self.ask(server, "models", "import", out, "--name", "again",
                             "--labels", labels, *preprocess_flags())
            self.assertEqual(again["version"]["weights_sha256"], digest)

    def test_the_same_file_is_the_same_version(self) -> None:
        with self.start() as server:
            self.import_both(server)
            first, second = self.import_both(server)
            self.assertEqual((first["created"], first["version"]["version"]), (False, 1))
            self.assertEqual((second["created"], second["version"]["version"]),
                             (False, 2))

    def test_a_version_answers_by_its_number_and_by_an_alias_once_loaded(self) -> None:
        with self.start() as server:
            self.import_both(server)
            self.ask(server, "models", "load", f"{NAME}@2")
            self.assertEqual(self.served_version(server, f"{NAME}@2"), 2)
            self.assertGreater(
                self.ask(server, "models", "warmup", f"{NAME}@2")["batches"], 0)
            self.ask(server, "models", "alias", "set", f"{NAME}@2", "canary")
            self.assertEqual(self.served_version(server, f"{NAME}@canary"), 2)
            self.assertEqual(self.served_version(server), 1)
            self.ask(server, "models", "unload", f"{NAME}@2", code=1)
            self.ask(server, "models", "alias", "delete", f"{NAME}@canary")
            self.ask(server, "models", "unload", f"{NAME}@2")

    def test_a_dry_run_keeps_nothing(self) -> None:
        with self.start() as server:
            checked = self.ask(server, "models", "import", self.first, "--labels",
                               LABELS, *preprocess_flags(), "--dry-run")
            self.assertEqual(checked["version"]["version"], 0)
            self.ask(server, "models", "show", NAME, code=4)
            self.import_both(server)
            self.ask(server, "models", "promote", f"{NAME}@2", "--dry-run")
            self.assertEqual(self.served_version(server), 1)

    def test_errors_name_what_to_do(self) -> None:
        def fails(code: int, text: str, *words: object) -> None:
            result = server.ctl(*words)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(text, result.stderr)

        few = self.folder / "few.txt"
        few.write_text("zero\none\n")
        other = self.folder / "other.txt"
        other.write_text("".join(f"digit {i}\n" for i in range(10)))
        broken = self.folder / "broken.safetensors"
        broken.write_bytes(self.second.read_bytes()[:-1])
        with self.start() as server:
            self.import_both(server)
            fails(1, "--expect 1", "models", "promote", f"{NAME}@2", "--expect", 7)
            fails(1, f"promote {NAME}@N", "models", "rollback", NAME)
            fails(1, f"promote {NAME}@N", "models", "delete", f"{NAME}@1", "-y")
            fails(4, f"versions {NAME}", "models", "promote", f"{NAME}@9")
            fails(8, "10 classes", "models", "import", self.second, "--labels", few,
                  "--name", "x", *preprocess_flags())
            self.assertNotEqual(
                server.ctl("models", "import", broken, "--name", "x").returncode, 0)
            fails(8, "python3 -c", "models", "import",
                  SOURCE / "tests/golden/pth/legacy.pth")
            self.ask(server, "models", "import", self.second, "--name", NAME,
                     "--labels", other, *preprocess_flags())
            fails(1, "--allow-label-change", "models", "promote", f"{NAME}@3")
            self.ask(server, "models", "promote", f"{NAME}@3", "--allow-label-change")
            self.ask(server, "models", "show", "x", code=4)

    def test_verify_finds_a_flipped_bit(self) -> None:
        with self.start() as server:
            _, second = self.import_both(server)
            digest = second["version"]["weights_sha256"]
            (blob,) = (self.folder / "data").rglob(digest)
            blob.chmod(0o600)
            content = bytearray(blob.read_bytes())
            content[len(content) // 2] ^= 1
            blob.write_bytes(content)
            found = self.ask(server, "models", "verify", code=1)
            self.assertEqual({v["name"]: v["ok"] for v in found["versions"]},
                             {f"models/{NAME}/versions/1": True,
                              f"models/{NAME}/versions/2": False})
            self.assertEqual(self.served_version(server), 1)

    def test_a_watch_tells_every_change_once(self) -> None:
        with self.start() as server:
            self.import_both(server)
            self.ask(server, "models", "promote", f"{NAME}@2")
            with subprocess.Popen(
                    [str(RESNETCTL), "-s", server.address, "models", "watch",
                     "--after", "0", "-o", "json", "-q"], env=environment(),
                    stdout=subprocess.PIPE, text=True) as watch:
                assert watch.stdout is not None
                self.ask(server, "models", "rollback", NAME)
                events = [json.loads(watch.stdout.readline()) for _ in range(5)]
                watch.terminate()
            self.assertEqual([e["kind"] for e in events],
                             ["VERSION_IMPORTED", "ALIAS_SET", "VERSION_IMPORTED",
                              "ALIAS_SET", "ALIAS_ROLLED_BACK"])
            self.assertEqual([e["sequence"] for e in events],
                             list(range(events[0]["sequence"],
                                        events[0]["sequence"] + 5)))


if __name__ == "__main__":
    unittest.main()

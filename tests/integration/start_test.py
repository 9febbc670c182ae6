"""Starting the server: what is refused, how it says so, and with which code."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import tempfile
import unittest

from harness import DEMO_MODEL, RESNETD, Server, run


class StartTest(unittest.TestCase):
    """Every way a person can get the start wrong."""

    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = pathlib.Path(self._folder.name)

    def refuse(self, *flags: object, code: int = 2, user: int | None = None,
               **extra: str) -> str:
        """Expects the start to fail with `code`; returns what it said."""
        result = run(RESNETD, "--listen", "127.0.0.1:0", "--http-listen",
                     "127.0.0.1:0", *flags, user=user, **extra)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        said = [line for line in result.stderr.splitlines()
                if line.startswith("resnetd: ")]
        self.assertEqual(len(said), 1, result.stderr)
        return result.stderr

    def model_copy(self) -> pathlib.Path:
        copy = self.folder / "copy"
        shutil.copytree(DEMO_MODEL, copy)
        return copy

    def test_an_unknown_flag_names_the_nearest(self) -> None:
        self.assertIn('did you mean "max-batch"?', self.refuse("--max-bach=3"))

    def test_a_value_out_of_range_names_the_range(self) -> None:
        self.assertIn("0 to 128", self.refuse("--max-batch=-1").replace(" - ", " to "))
        self.assertIn("--max-batch", self.refuse("--max-batch=129"))

    def test_a_wrong_environment_variable_is_named(self) -> None:
        said = self.refuse(RESNETD_MAX_BATCH="many")
        self.assertIn("max-batch", said.lower().replace("_", "-"))

    def test_an_unknown_key_in_the_file_names_the_nearest(self) -> None:
        file = self.folder / "resnetd.toml"
        file.write_text("max-bach = 3\n")
        self.assertIn('did you mean "max-batch"?', self.refuse("--config", file))

    def test_a_missing_configuration_file_is_named(self) -> None:
        self.assertIn("nowhere.toml", self.refuse("--config", self.folder / "nowhere.toml"))

    def test_a_missing_model_folder_is_named(self) -> None:
        self.assertIn("nowhere", self.refuse("--model", self.folder / "nowhere"))

    def test_missing_weights_are_named(self) -> None:
        copy = self.model_copy()
        (copy / "model.safetensors").unlink()
        self.assertIn("model.safetensors", self.refuse("--model", copy))

    def test_an_unreadable_folder_is_named(self) -> None:
        copy = self.model_copy()
        copy.chmod(0)
        self.addCleanup(copy.chmod, 0o700)
        # Nothing is unreadable for root.
        nobody = 65534 if os.geteuid() == 0 else None
        self.folder.chmod(0o755)
        self.assertIn("copy", self.refuse("--model", copy, user=nobody))

    def test_a_data_folder_that_cannot_be_written_to_is_named(self) -> None:
        data = self.folder / "data"
        data.mkdir()
        data.chmod(0o555)
        self.addCleanup(data.chmod, 0o700)
        # Everything is writable for root.
        nobody = 65534 if os.geteuid() == 0 else None
        self.folder.chmod(0o755)
        said = self.refuse("--data-dir", data, code=1, user=nobody)
        self.assertIn(f"cannot use the folder {data}: it is not writable for this user; "
                      "change its owner or mode, or mount it writable", said)

    def test_a_file_in_place_of_a_folder_is_named(self) -> None:
        file = self.folder / "weights"
        file.write_text("x")
        self.assertIn("weights", self.refuse("--model", file))

    def test_weights_of_another_architecture_show_the_whole_difference(self) -> None:
        copy = self.model_copy()
        manifest = json.loads((copy / "manifest.json").read_text())
        manifest["architecture"] = "cifar_resnet14"
        (copy / "manifest.json").write_text(json.dumps(manifest))
        said = self.refuse("--model", copy)
        self.assertIn("layer1.1.conv1.weight", said)
        self.assertIn("layer3.1.bn2.running_var", said)
        self.assertIn("missing", said)

    def test_damaged_weights_are_refused(self) -> None:
        copy = self.model_copy()
        weights = copy / "model.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
        self.assertIn("sha256", self.refuse("--model", copy).lower().replace("-", ""))

    def test_two_models_of_one_name_are_refused(self) -> None:
        self.assertIn("digits", self.refuse("--model", DEMO_MODEL, "--model", self.model_copy()))

    def test_an_unknown_default_model_names_those_there_are(self) -> None:
        said = self.refuse("--default-model", "digit")
        self.assertIn('"digits"', said)

    def test_a_taken_port_is_named_with_its_flag(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            said = self.refuse("--listen", f"127.0.0.1:{port}", code=1)
            self.assertIn(str(port), said)
            self.assertIn("--listen", said)
            said = self.refuse("--http-listen", f"127.0.0.1:{port}", code=1)
            self.assertIn(str(port), said)
            self.assertIn("--http-listen", said)

    def test_a_second_server_on_the_same_port_is_refused(self) -> None:
        with Server() as server:
            said = self.refuse("--listen", server.address, code=1)
            self.assertIn(str(server.grpc_port), said)

    def test_cuda_needs_the_torch_backend(self) -> None:
        self.assertIn("--backend=torch", self.refuse("--device=cuda"))


class SettingsTest(unittest.TestCase):
    """Flags, environment and file are one."""

    def test_print_config_reads_back_as_itself(self) -> None:
        first = run(RESNETD, "--max-batch=7", "--model=a", "--model=b", "--print-config")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("max-batch=7", first.stdout)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "resnetd.toml"
            file.write_text(first.stdout)
            second = run(RESNETD, "--config", file, "--print-config")
        self.assertEqual(second.stdout, first.stdout)

    def test_flags_win_over_the_environment_and_it_over_the_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "resnetd.toml"
            file.write_text("max-batch = 2\nworkers = 2\nthreads = 2\n")
            result = run(RESNETD, "--config", file, "--max-batch=4", "--print-config",
                         RESNETD_MAX_BATCH="3", RESNETD_WORKERS="3")
        self.assertIn("max-batch=4", result.stdout)
        self.assertIn("workers=3", result.stdout)
        self.assertIn("\nthreads=2", result.stdout)

    def test_version_and_help_go_to_stdout(self) -> None:
        for flag in ("--version", "--help"):
            result = run(RESNETD, flag)
            self.assertEqual(result.returncode, 0)
            self.assertIn("resnetd", result.stdout)
            self.assertEqual(result.stderr, "")
        for code in ("0 ended", "1 could not start", "2 wrong settings", "3 the GPU"):
            self.assertIn(code, result.stdout)


if __name__ == "__main__":
    unittest.main()

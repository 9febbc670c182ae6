"""deploy/docker/build.sh with stand-ins for what it calls: what it configures, builds and
installs for each kind of image."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDED = ("dev", "tools/dev.d", "deploy/docker/build.sh", "LICENSE", "README.md")


class BuildScriptTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in NEEDED:
            target = self.folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, target)
        (self.folder / "bin").mkdir()
        for name in ("cmake", "python3"):
            program = self.folder / "bin" / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.folder}/calls\n'
                               f'test "$BREAKS" != {name}\n')
            program.chmod(0o755)

    def run_script(self, *words, breaks=""):
        done = subprocess.run(
            [self.folder / "source/deploy/docker/build.sh", *words], capture_output=True,
            text=True, check=False,
            env={"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "BREAKS": breaks,
                 "HOME": str(self.folder), "RESNETD_SKIP_SETUP": "1", "RESNETD_JOBS": "1"})
        calls = self.folder / "calls"
        text = calls.read_text() if calls.exists() else ""
        calls.unlink(missing_ok=True)
        return done, text.splitlines()

    def test_every_image_links_archives_and_only_those_that_train_have_the_plug_in(self):
        for words, with_torch in (((), "OFF"), (("slim",), "ON"), (("cuda",), "ON")):
            with self.subTest(words=words):
                prefix = self.folder / "prefix"
                done, calls = self.run_script(prefix, *words)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                first = calls[0].split()
                self.assertIn("-DRESNETD_STATIC_GRPC=ON", first)
                self.assertIn(f"-DRESNETD_WITH_TORCH={with_torch}", first)
                build, = [one.split() for one in calls if "--build" in one]
                self.assertLess({"resnetd", "resnetctl"}, set(build))
                self.assertEqual("resnetd_torch" in build, with_torch == "ON")
                self.assertIn(f"cmake --install build/release --prefix {prefix} --strip", calls)
                self.assertTrue((prefix / "share/doc/resnetd/LICENSE").exists())

    def test_refuses_what_it_does_not_know(self):
        for words in ((), ("prefix", "gpu"), ("prefix", "slim", "more")):
            done, calls = self.run_script(*words)
            self.assertEqual((done.returncode, calls), (2, []), words)
            self.assertTrue(done.stderr)

    def test_ends_with_what_fails(self):
        for name in ("cmake", "python3"):
            done, calls = self.run_script(self.folder / "prefix", breaks=name)
            self.assertNotEqual(done.returncode, 0, name)
            self.assertTrue(calls[-1].startswith(name), calls)


if __name__ == "__main__":
    unittest.main()

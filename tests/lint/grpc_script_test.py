"""deploy/docker/grpc.sh with stand-ins for what it calls: the sources of gRPC are not
here."""
import os
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "docker" / "grpc.sh"


class GrpcScriptTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in ("git", "apt-get", "cmake", "rm"):
            program = self.folder / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.folder}/calls\n'
                               f'test "$BREAKS" != {name}\n')
            program.chmod(0o755)

    def run_script(self, *words, breaks=""):
        path = f"{self.folder}:{os.environ['PATH']}"
        done = subprocess.run([SCRIPT, *words], capture_output=True, text=True, check=False,
                              env={"PATH": path, "BREAKS": breaks})
        calls = self.folder / "calls"
        text = calls.read_text() if calls.exists() else ""
        calls.unlink(missing_ok=True)
        return done, text.splitlines()

    def test_without_a_release_it_does_nothing(self):
        for words in ([], [""]):
            done, calls = self.run_script(*words)
            self.assertEqual((done.returncode, calls), (0, []))

    def test_refuses_what_is_no_release(self):
        for word in ("v1.66.2", "1.66", "latest", "1.66.2; x", "1.66.2-pre1"):
            done, calls = self.run_script(word)
            self.assertEqual((done.returncode, calls), (2, []), word)
            self.assertIn(word, done.stderr)

    def test_builds_the_release_with_its_own_abseil_and_protobuf(self):
        done, calls = self.run_script("1.66.2")
        self.assertEqual(done.returncode, 0, done.stderr)
        clone, = [one for one in calls if one.startswith("git ")]
        self.assertIn("--branch v1.66.2", clone)
        self.assertIn("--recurse-submodules", clone)
        configure, build, install = [one for one in calls if one.startswith("cmake ")]
        for option in ("-DCMAKE_INSTALL_PREFIX=/usr/local", "-DCMAKE_CXX_STANDARD=20",
                       "-DBUILD_SHARED_LIBS=OFF", "-DgRPC_INSTALL=ON",
                       "-DgRPC_SSL_PROVIDER=package", "-DABSL_PROPAGATE_CXX_STD=ON"):
            self.assertIn(option, configure.split())
        # The same C++ standard, OpenSSL and zlib as ours, and nothing else of the system.
        self.assertIn("-DgRPC_ZLIB_PROVIDER=package", configure.split())
        self.assertEqual(configure.count("PROVIDER=package"), 2)
        self.assertIn("--build /tmp/grpc/build", build)
        self.assertIn("--install /tmp/grpc/build", install)

    def test_ends_with_what_fails(self):
        for name in ("apt-get", "git", "cmake"):
            done, calls = self.run_script("1.66.2", breaks=name)
            self.assertNotEqual(done.returncode, 0, name)
            self.assertTrue(calls[-1].startswith(name), calls)


if __name__ == "__main__":
    unittest.main()

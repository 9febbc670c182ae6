import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Stands in for dpkg-query, apt-get and sudo; writes down how it was called.
STUB = """#!/bin/bash
echo "${0##*/} $*" >>"$CALLS"
case ${0##*/} in
  dpkg-query) [[ " $MISSING " == *" ${!#} "* ]] && exit 1; echo "ii " ;;
  sudo) exec "$@" ;;
esac
exit 0
"""


class DevTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in ("dpkg-query", "apt-get", "sudo"):
            (self.folder / name).write_text(STUB)
            (self.folder / name).chmod(0o755)
        self.os_release("debian", "12")

    def os_release(self, name, version):
        (self.folder / "os-release").write_text(
            f'ID={name}\nVERSION_ID="{version}"\n')

    def dev(self, *words, **environment):
        calls = self.folder / "calls"
        calls.write_text("")
        run = subprocess.run(
            [str(ROOT / "dev"), *words], capture_output=True, text=True,
            cwd="/", env={"PATH": f"{self.folder}:{os.environ['PATH']}",
                          "CALLS": str(calls), "MISSING": "",
                          "RESNETD_OS_RELEASE": str(self.folder / "os-release"),
                          **environment})
        self.calls = [line for line in calls.read_text().splitlines()
                      if not line.startswith("dpkg-query")]
        return run

    def test_help_names_every_command(self):
        run = self.dev("help")
        self.assertEqual(run.returncode, 0)
        commands = re.search(r"^readonly commands=\((.*)\)",
                             (ROOT / "dev").read_text(), re.MULTILINE)
        for command in commands[1].split():
            self.assertRegex(run.stdout, rf"(?m)^  {command}\b")

    def test_an_unknown_command_gets_the_nearest_one(self):
        run = self.dev("tets")
        self.assertEqual(run.returncode, 2)
        self.assertIn("did you mean 'test'", run.stderr)

    def test_wrong_arguments_are_refused_before_anything_is_done(self):
        for words in (["build", "fast"], ["setup", "--gpu"], ["lint", "slow"],
                      ["demo", "x"], ["test", "a", "b"], ["bench", "none"],
                      ["fuzz"], ["fuzz", "none"], ["fuzz", "pth", "many"],
                      ["fuzz", "pth", "1", "2"]):
            run = self.dev(*words)
            with self.subTest(words):
                self.assertEqual(run.returncode, 2, run.stderr)
                self.assertEqual(self.calls, [])

    def test_setup_installs_nothing_when_all_is_there(self):
        run = self.dev("setup", "--demo")
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)
        self.assertEqual(self.calls, [])

    def test_setup_installs_exactly_what_is_missing(self):
        run = self.dev("setup", "--demo", MISSING="cmake libpng-dev")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("packages to install: cmake libpng-dev", run.stdout)
        installs = [c for c in self.calls if c.startswith("apt-get install")]
        self.assertTrue(installs[-1].endswith(" cmake libpng-dev"), installs)
        self.assertIn("apt-get update -q", self.calls)

    def test_another_distribution_is_sent_to_docker(self):
        self.os_release("fedora", "42")
        run = self.dev("setup")
        self.assertEqual(run.returncode, 1)
        self.assertIn("docker compose up", run.stderr)
        self.assertEqual(self.calls, [])

    def test_each_supported_distribution_is_taken(self):
        for name, version in (("debian", "12"), ("debian", "13"),
                              ("ubuntu", "24.04")):
            self.os_release(name, version)
            with self.subTest(name=name, version=version):
                self.assertEqual(self.dev("setup", "--demo").returncode, 0)

    def test_a_libtorch_root_without_libtorch_is_an_error(self):
        run = self.dev("build", "dev", LIBTORCH_ROOT=str(self.folder))
        self.assertEqual(run.returncode, 1)
        self.assertIn("no lib/libtorch_cpu.so", run.stderr)


if __name__ == "__main__":
    unittest.main()

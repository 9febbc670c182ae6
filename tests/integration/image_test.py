"""The image without Docker: the root folder that deploy/docker makes of the built
programs, entered as the image's user, with nothing to write to but two folders.

Root, or a user who may make namespaces, mounts it read-only, as a container's
engine does with read_only. Needs unshare and mount, of every distribution.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import BIN, SOURCE, Server, run

DOCKER = SOURCE / "deploy" / "docker"
BUILD = pathlib.Path(os.environ.get("RESNETD_BUILD_DIR", BIN.parent))
UID = 10001
# Of docs/operations.md; with a sanitizer there are more of both.
MOST_BYTES = 250_000_000
MOST_LIBRARIES = 40
# Of gRPC, protobuf and abseil there are some fifty.
LEAST_REPLACEABLE = 30
HOME = "/opt/resnetd"
# ROOT VOLUME SHARED PROGRAM ARGUMENT...: the program in the image, as its user. SHARED
# is the test's own folder for the file with the ports, found at its own path.
ENTER = f"""#!/bin/sh
set -eu
exec unshare --mount $NAMESPACES sh -euc '
  root=$1 volume=$2 shared=$3
  shift 3
  mount --bind "$root" "$root"
  mount --rbind /proc "$root/proc"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mkdir -p "$root$shared"
  mount --bind "$shared" "$root$shared"
  mount --bind "$volume" "$root/var/lib/resnetd"
  mount -o remount,ro,bind "$root"
  exec unshare --root="$root" --wd=/var/lib/resnetd $BECOME "$@"
' enter "$@"
"""


def ways_in() -> tuple[str, str]:
    """How to get a mount namespace, and in it how to become the image's user."""
    if os.geteuid() == 0:
        return "", f"--setuid {UID} --setgid {UID}"
    # A second namespace, in which the same user has another number.
    return "--user --map-root-user", f"--user --map-user={UID} --map-group={UID}"


def stem(library: pathlib.Path) -> str:
    """libz of libz.so.1 and of libz.so.1.2.13."""
    return library.name.partition(".so")[0]


def is_static() -> bool:
    """As deploy/docker/build.sh links it."""
    return "RESNETD_STATIC_GRPC:BOOL=ON" in (BUILD / "CMakeCache.txt").read_text()


class Image(unittest.TestCase):
    """Base: the root of an image, made once, and a way into it."""

    # Whether it fine-tunes: with the plug-in and LibTorch.
    trains = False

    @classmethod
    def setUpClass(cls) -> None:
        namespaces, _ = ways_in()
        allowed = subprocess.run(["unshare", "--mount", *namespaces.split(), "true"],
                                 check=False, capture_output=True, text=True)
        if allowed.returncode:
            raise AssertionError("this needs a mount namespace, which a container gives "
                                 f"with --cap-add=SYS_ADMIN: {allowed.stderr}")
        # LibTorch is linked to, which wants one disk.
        folder = tempfile.TemporaryDirectory(prefix="resnetd-image-",
                                             dir=BUILD if cls.trains else None)
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        prefix = cls.folder / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix, "--strip"],
                       check=True, capture_output=True)
        if not cls.trains:
            (prefix / "lib" / "libresnetd_torch.so").unlink(missing_ok=True)
        cls.root = cls.folder / "root"
        made = subprocess.run(
            [sys.executable, "-B", DOCKER / "runtime_root.py", prefix, cls.root, "--link"],
            check=False, capture_output=True, text=True)
        if made.returncode:
            raise AssertionError(made.stdout + made.stderr)
        cls.said = made.stdout

    def setUp(self) -> None:
        # mkdtemp's are closed to others, and who enters is another user.
        self.folder.chmod(0o755)
        self.volume = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        namespaces, become = ways_in()
        self.enter = self.folder / "enter"
        self.enter.write_text(ENTER.replace("$NAMESPACES", namespaces)
                              .replace("$BECOME", become))
        self.enter.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(self.volume, UID, UID)

    def inside(self, program: str) -> pathlib.Path:
        """A script that runs a program of the image; it opens the folder of the file
        with the ports, if it is told to write one, to the image's user."""
        script = self.folder / f"in-image-{program}"
        script.write_text(f"""#!/bin/sh
set -eu
shared={self.folder}/shared last=
mkdir -p "$shared"
for word; do
  [ "$last" != --port-file ] || shared=$(dirname "$word")
  last=$word
done
[ "$(id -u)" != 0 ] || chown {UID}:{UID} "$shared"
exec {self.enter} {self.root} {self.volume} "$shared" {HOME}/bin/{program} "$@"
""")
        script.chmod(0o755)
        return script

    def assert_few_libraries(self) -> None:
        """Beside those of LibTorch's wheels. An image links archives where there are
        any; of a build that does not, what is left without their shared twins."""
        print(self.said, end="")
        own = {stem(path) for path in self.root.rglob("*.so*")
               if not path.is_relative_to(self.root / "opt")}
        if not is_static():
            replaceable = {stem(pathlib.Path(line)) for line
                           in (BUILD / "replaceable.txt").read_text().splitlines()}
            self.assertGreaterEqual(len(replaceable & own), LEAST_REPLACEABLE)
            own -= replaceable
            print(f"{self.root}: {len(own)} of them have no archive")
        self.assertLessEqual(len(own), MOST_LIBRARIES, sorted(own))

    def size(self) -> int:
        return sum(path.lstat().st_size for path in self.root.rglob("*")
                   if not path.is_dir())

    def files(self) -> dict[str, tuple[int, int]]:
        """Everything in the root, with size and time of change."""
        return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
                for path in self.root.rglob("*") if not path.is_dir()}


class ImageTest(Image):
    """The image that classifies."""

    def test_it_serves_as_another_user_and_writes_to_its_volume_alone(self) -> None:
        before = self.files()
        with Server("--data-dir", "/var/lib/resnetd", "--model",
                    f"{HOME}/share/resnetd/models/digits",
                    binary=self.inside("resnetd")) as server:
            status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
            if os.geteuid() == 0:
                self.assertIn(f"Uid:\t{UID}\t{UID}", status)
            client = self.inside("resnetctl")
            healthy = run(client, "health", "--server", server.address)
            self.assertEqual(healthy.returncode, 0, healthy.stderr)
            done = run(client, "classify", "--server", server.address, "-k", 1, "-o", "json",
                       f"{HOME}/share/resnetd/demo/digit-3.png")
            self.assertEqual(done.returncode, 0, done.stderr)
            best = json.loads(done.stdout)["images"][0]["predictions"][0]
            self.assertEqual(best["label"], "3")
        self.assertTrue((self.volume / "meta.db").exists())
        self.assertEqual(self.files(), before)

    def test_nothing_else_can_be_written_to(self) -> None:
        for place in ("/opt/resnetd/data", "/etc/data", "/data"):
            done = run(self.inside("resnetd"), "--data-dir", place, "--listen", "127.0.0.1:0",
                       "--http-listen", "127.0.0.1:0")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(place, done.stderr)
        # A folder that is there, where nobody mounted a volume.
        done = run(self.inside("resnetd"), "--data-dir", "/etc/resnetd", "--listen",
                   "127.0.0.1:0", "--http-listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot use the folder /etc/resnetd: it is not writable for this user; "
                      "change its owner or mode, or mount it writable", done.stderr)

    def test_without_any_flag_it_serves_the_demo_model(self) -> None:
        with Server(binary=self.inside("resnetd")) as server:
            listed = server.ctl("models", "list", "-o", "json")
            self.assertEqual([one["name"] for one in json.loads(listed.stdout)["models"]],
                             ["models/digits"])
        self.assertEqual(list(self.volume.iterdir()), [])

    def test_it_holds_programs_libraries_and_licences_and_no_shell(self) -> None:
        programs = {path.relative_to(self.root).as_posix()
                    for path in self.root.rglob("*")
                    if path.is_file() and path.stat().st_mode & 0o111
                    and ".so" not in path.name}
        self.assertEqual(programs, {"opt/resnetd/bin/resnetd", "opt/resnetd/bin/resnetctl"})
        if "-fsanitize" not in os.environ.get("CXXFLAGS", ""):
            self.assertLess(self.size(), MOST_BYTES)
        self.assert_few_libraries()
        set_ids = [path for path in self.root.rglob("*")
                   if path.is_file() and path.stat().st_mode & 0o6000]
        self.assertEqual(set_ids, [])

    def test_the_list_names_every_library_and_has_its_licence(self) -> None:
        share = self.root / "usr/share/doc"
        document = json.loads((share / "resnetd/sbom.spdx.json").read_text())
        self.assertEqual(document["spdxVersion"], "SPDX-2.3")
        names = [one["name"] for one in document["packages"]]
        self.assertEqual(len(names), len(set(names)))
        self.assertLess({"resnetd", "libstdc++6", "libc6"}, set(names))
        # Shared, or from its archive in the programs.
        for start in ("libgrpc", "libprotobuf", "libabsl"):
            self.assertTrue(any(name.startswith(start) for name in names), (start, names))
        idents = {one["SPDXID"] for one in document["packages"]} | {"SPDXRef-DOCUMENT"}
        for relation in document["relationships"]:
            self.assertLess({relation["spdxElementId"], relation["relatedSpdxElement"]},
                            idents | {""})
        for one in document["packages"]:
            if any("pkg:deb" in ref["referenceLocator"]
                   for ref in one.get("externalRefs", [])):
                self.assertTrue((share / one["name"] / "copyright").exists(), one["name"])
        self.assertTrue((share / "resnetd" / "LICENSE").exists())

    def test_the_package_holds_programs_unit_and_settings(self) -> None:
        made = subprocess.run(["cpack", "-G", "DEB", "-B", self.folder / "package"],
                              cwd=BUILD, check=False, capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        package, = (self.folder / "package").glob("*.deb")
        inside = self.folder / "inside"
        subprocess.run(["dpkg-deb", "-x", package, inside], check=True)
        unit = (inside / "usr/lib/systemd/system/resnetd.service").read_text()
        self.assertIn("ExecStart=/usr/bin/resnetd --config=/etc/resnetd/resnetd.toml", unit)
        self.assertTrue((inside / "usr/share/resnetd/models/digits/manifest.json").exists())
        shown = run(inside / "usr/bin/resnetd", "--config", inside / "etc/resnetd/resnetd.toml",
                    "--print-config")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn('data-dir="/var/lib/resnetd"', shown.stdout)
        needed = subprocess.run(["dpkg-deb", "-f", package, "Depends"], check=True,
                                capture_output=True, text=True).stdout
        self.assertIn("libsqlite3-0", needed)

    def test_a_library_that_is_missing_stops_the_making(self) -> None:
        prefix = self.folder / "broken"
        shutil.copytree(self.folder / "prefix", prefix)
        # A file that ldd cannot read.
        (prefix / "bin" / "resnetctl").write_text("no program")
        done = subprocess.run(
            [sys.executable, "-B", DOCKER / "runtime_root.py", prefix, self.folder / "none"],
            check=False, capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("resnetctl", done.stderr)


if __name__ == "__main__":
    unittest.main()

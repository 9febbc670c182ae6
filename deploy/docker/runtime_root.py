#!/usr/bin/env python3
"""Makes the root folder of an image: the programs of an installed resnetd, the
shared libraries that they load, their licences, a list of what is in it (SPDX),
and the few files that the C library asks for. No shell, no package manager.

usage: runtime_root.py PREFIX ROOT [--sizes] [--link]
   PREFIX    where build.sh or cmake --install put the programs
   ROOT      a folder that does not exist yet
   --sizes   print what takes the room, largest first
   --link    hard links instead of copies of LibTorch, for a root that nobody writes to
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import sbom

UID = 10001
# Where the programs are in the image, whatever PREFIX is.
HOME = "opt/resnetd"
PASSWD = f"root:x:0:0:root:/:/nologin\nresnetd:x:{UID}:{UID}:resnetd:/var/lib/resnetd:/nologin\n"
GROUP = f"root:x:0:\nresnetd:x:{UID}:\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
FOUND = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)
LOST = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
# Of LibTorch's wheels with CUDA, what is opened by name while it runs; without the parts of
# cuDNN that only attention and recurrent networks use, and twins of the compiler.
OPENED = ("libcudnn_*.so*", "libnvrtc*.so*", "libcaffe2_nvrtc.so", "libnvJitLink.so*")
UNUSED = ("libcudnn_adv", "libnvrtc.alt", "libnvrtc-builtins.alt")
# Of NVIDIA's driver: mounted into the container.
DRIVER = {"libcuda.so.1"}


def needed(file: pathlib.Path, known: str = "") -> set[pathlib.Path]:
    """The libraries that the loader maps for a program or a library."""
    said = subprocess.run(["ldd", str(file)], check=False, capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": known})
    if said.returncode:
        sys.exit(f"ldd {file}: {said.stderr}{said.stdout}")
    if lost := set(LOST.findall(said.stdout)) - DRIVER:
        sys.exit(f"{file} needs {', '.join(lost)}, which are not here")
    return {pathlib.Path(path) for path in FOUND.findall(said.stdout)}


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """The file itself where a link leads, under the link's name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copyfile(source, target)
        shutil.copymode(source, target)


def linked(source: pathlib.Path, target: pathlib.Path) -> bool:
    """Whether the target is the source now; not where they are on two disks."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def place(root: pathlib.Path, library: pathlib.Path) -> pathlib.Path:
    """Where a library of the system goes: /lib is a link to /usr/lib."""
    path = library.as_posix()
    if path.startswith(("/lib/", "/lib64/")):
        path = "/usr" + path
    return root / path.lstrip("/")


def take_programs(prefix: pathlib.Path, root: pathlib.Path) -> list[pathlib.Path]:
    home = root / HOME
    programs = []
    for name in ("resnetd", "resnetctl"):
        copy(prefix / "bin" / name, home / "bin" / name)
        programs.append(prefix / "bin" / name)
    shutil.copytree(prefix / "share" / "resnetd", home / "share" / "resnetd")
    return programs


def take_torch(prefix: pathlib.Path, root: pathlib.Path, torch: pathlib.Path,
               by_link: bool) -> set[pathlib.Path]:
    """The plug-in and the part of LibTorch that it loads, as the wheels lay it out,
    where the plug-in looks. Returns the libraries of the system that they need."""
    plugin = prefix / "lib" / "libresnetd_torch.so"
    site = torch.parent
    loaded = needed(plugin, str(torch / "lib"))
    if any(path.name == "libtorch_cuda.so" for path in loaded):
        loaded |= {path for pattern in OPENED for path in site.rglob(pattern)
                   if not path.name.startswith(UNUSED)}
    for path in sorted(loaded):
        loaded |= needed(path, str(torch / "lib"))
    copy(plugin, root / HOME / "lib" / plugin.name)
    own = {path for path in loaded if path.resolve().is_relative_to(site.resolve())}
    for path in sorted(own):
        inside = path.resolve().relative_to(site.resolve()).with_name(path.name)
        target = root / HOME / "lib" / inside
        if not by_link or not linked(path.resolve(), target):
            copy(path, target)
    for notice in [*torch.glob("*NOTICE*"), *site.glob("torch-*.dist-info/**/LICENSE*"),
                   *site.glob("torch-*.dist-info/**/NOTICE*"),
                   *site.glob("nvidia_*.dist-info/**/License.txt")]:
        copy(notice, root / "usr/share/doc" / notice.relative_to(site))
    return loaded - own


def torch_folder(source: pathlib.Path) -> pathlib.Path:
    """LibTorch as ./dev setup or LIBTORCH_ROOT has it."""
    named = os.environ.get("LIBTORCH_ROOT")
    for folder in [pathlib.Path(named)] if named else [source / ".deps" / "torch"]:
        for inner in (folder, folder / "torch"):
            if (inner / "lib" / "libtorch_cpu.so").exists():
                return inner
    sys.exit("the plug-in is installed, but LibTorch is not here: set LIBTORCH_ROOT")


def furnish(root: pathlib.Path) -> None:
    """What the C library reads, and the folders that volumes go to."""
    for name, text in (("passwd", PASSWD), ("group", GROUP), ("nsswitch.conf", NSSWITCH)):
        (root / "etc").mkdir(parents=True, exist_ok=True)
        (root / "etc" / name).write_text(text)
    for name, mode in (("tmp", 0o1777), ("var/lib/resnetd", 0o700), ("proc", 0o755),
                       ("sys", 0o755), ("dev", 0o755), ("etc/resnetd", 0o755)):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    if os.geteuid() == 0:
        os.chown(root / "var/lib/resnetd", UID, UID)
    for name in ("lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")


def size(folder: pathlib.Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def print_sizes(root: pathlib.Path) -> None:
    files = sorted((path for path in root.rglob("*") if path.is_file()
                    and not path.is_symlink()), key=lambda path: -path.stat().st_size)
    for path in files[:12]:
        print(f"{path.stat().st_size / 1e6:9.1f} MB  /{path.relative_to(root)}")


def main() -> int:
    words = [word for word in sys.argv[1:] if word not in ("--sizes", "--link")]
    if len(words) != 2 or words[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    prefix, root = (pathlib.Path(word) for word in words)
    source = pathlib.Path(__file__).resolve().parents[2]
    root.mkdir(parents=True)
    furnish(root)
    libraries: set[pathlib.Path] = set()
    for program in take_programs(prefix, root):
        libraries |= needed(program)
    if (prefix / "lib" / "libresnetd_torch.so").exists():
        libraries |= take_torch(prefix, root, torch_folder(source), "--link" in sys.argv)
    for library in sorted(libraries):
        copy(library, place(root, library))
    archives = (prefix / "share/doc/resnetd/archives.txt").read_text().split()
    sbom.write(root, libraries, {pathlib.Path(path) for path in archives}, source)
    if "--sizes" in sys.argv:
        print_sizes(root)
    print(f"{root}: {size(root) / 1e6:.1f} MB, {len(libraries)} shared libraries of the system")
    return 0


if __name__ == "__main__":
    sys.exit(main())

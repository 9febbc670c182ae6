#!/usr/bin/env python3
"""cmake/FindLibTorch.cmake on folders made up for it."""
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
CMAKE = os.environ.get("CMAKE_PROGRAM", "cmake")
# Without a language there is no compiler to look for: a run takes 0.1 s.
PROJECT = f"""
cmake_minimum_required(VERSION 3.25)
project(find_libtorch LANGUAGES NONE)
set_property(GLOBAL PROPERTY TARGET_SUPPORTS_SHARED_LIBS TRUE)
list(APPEND CMAKE_MODULE_PATH "{ROOT}/cmake")
find_package(LibTorch ${{HOW}})
foreach(name IN ITEMS FOUND VERSION ROOT HAS_CUDA CUDA_VERSION)
  message(STATUS "RESULT ${{name}}=${{LibTorch_${{name}}}}")
endforeach()
if(TARGET torch::cpu)
  message(STATUS "RESULT CPU_TARGET=1")
endif()
if(TARGET torch::cuda)
  message(STATUS "RESULT CUDA_TARGET=1")
endif()
"""
CUDA_HEADERS = ("cuda_runtime_api.h", "crt/host_defines.h", "cublas_v2.h",
                "cusparse.h", "cusolverDn.h")


class FindLibTorchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.write("project/CMakeLists.txt", PROJECT)
        # python3 finds no torch of the machine.
        self.write("bin/python3", "#!/bin/sh\nexit 1\n").chmod(0o755)

    def write(self, name, text=""):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def make_libtorch(self, name, version=(2, 11, 0), cuda=False):
        """A folder with the files that tell LibTorch from others."""
        self.write(f"{name}/include/ATen/ATen.h")
        self.write(f"{name}/lib/libtorch_cpu.so")
        self.write(f"{name}/lib/libc10.so")
        self.write(f"{name}/include/torch/headeronly/version.h", "".join(
            f"#define TORCH_VERSION_{part} {number}\n" for part, number in
            zip(("MAJOR", "MINOR", "PATCH"), version)))
        if cuda:
            self.write(f"{name}/lib/libtorch_cuda.so")
            self.write(f"{name}/lib/libc10_cuda.so")
        return self.folder / name

    def make_cuda_headers(self, folder, number=13000, but=()):
        self.write(f"{folder}/nvidia/cu13/include/cuda.h",
                   f"#define CUDA_VERSION {number}\n")
        for header in CUDA_HEADERS:
            if header not in but:
                self.write(f"{folder}/nvidia/cu13/include/{header}")

    def configure(self, *arguments, root=None, how=""):
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("LIBTORCH_ROOT", "CUDA_HOME")}
        environment["PATH"] = f"{self.folder}/bin:{environment['PATH']}"
        if root is not None:
            environment["LIBTORCH_ROOT"] = str(root)
        run = subprocess.run(
            [CMAKE, "-G", "Ninja", "-S", self.folder / "project",
             "-B", self.folder / "build", f"-DHOW={how}", *arguments],
            env=environment, capture_output=True, text=True, check=False)
        self.code = run.returncode
        # CMake breaks long messages into lines.
        self.text = " ".join((run.stdout + run.stderr).split())
        results = [line.split("RESULT ", 1)[1].split("=", 1)
                   for line in run.stdout.splitlines() if "RESULT " in line]
        return dict(results)

    def test_finds_every_layout_by_its_root(self):
        for number, (name, inside) in enumerate((
                ("wheel", ""), ("target", "torch"), ("deps", "torch/torch"),
                ("zip", "libtorch"))):
            with self.subTest(layout=name):
                made = self.make_libtorch(f"{name}/{inside}".rstrip("/"))
                found = self.configure(
                    f"-DLIBTORCH_ROOT={self.folder / name}",
                    "-B", str(self.folder / f"build{number}"))
                self.assertEqual(found["FOUND"], "TRUE")
                self.assertEqual(found["ROOT"], str(made))
                self.assertEqual(found["VERSION"], "2.11.0")
                self.assertEqual(found["CPU_TARGET"], "1")
                self.assertEqual(found["HAS_CUDA"], "FALSE")
                self.assertNotIn("CUDA_TARGET", found)

    def test_finds_what_setup_installs(self):
        made = self.make_libtorch("project/.deps/torch/torch")
        self.assertEqual(self.configure()["ROOT"], str(made))

    def test_finds_what_python_knows(self):
        made = self.make_libtorch("site-packages/torch")
        self.write("bin/python3", f"#!/bin/sh\nprintf %s '{made}'\n")
        self.assertEqual(self.configure()["ROOT"], str(made))

    def test_prefers_the_named_folder_and_keeps_the_environments(self):
        self.make_libtorch("project/.deps/torch/torch")
        first = self.make_libtorch("first")
        second = self.make_libtorch("second")
        self.assertEqual(self.configure(root=first)["ROOT"], str(first))
        # Configured again by the build, without the environment.
        self.assertEqual(self.configure()["ROOT"], str(first))
        self.assertEqual(self.configure(root=second)["ROOT"], str(second))
        found = self.configure(f"-DLIBTORCH_ROOT={first}", root=second)
        self.assertEqual(found["ROOT"], str(first))

    def test_says_what_to_do_when_there_is_none(self):
        self.assertEqual(self.configure()["FOUND"], "FALSE")
        self.assertEqual(self.code, 0)
        self.assertIn("./dev setup", self.text)
        self.configure(how="REQUIRED")
        self.assertNotEqual(self.code, 0)
        self.assertIn("./dev setup", self.text)

    def test_does_not_look_elsewhere_when_a_folder_is_named(self):
        self.make_libtorch("project/.deps/torch/torch")
        found = self.configure(root=self.folder / "nowhere")
        self.assertEqual(found["FOUND"], "FALSE")
        self.assertIn("nowhere", self.text)

    def test_refuses_another_version(self):
        for number, version in enumerate(((2, 10, 0), (2, 12, 0), (2, 110, 0),
                                          (1, 13, 1), (12, 11, 0))):
            with self.subTest(version=version):
                made = self.make_libtorch(f"v{number}", version)
                found = self.configure(f"-DLIBTORCH_ROOT={made}")
                self.assertEqual(found["FOUND"], "FALSE")
                self.assertIn(".".join(map(str, version)), self.text)
                self.assertIn("written for 2.11", self.text)
        made = self.make_libtorch("patch", (2, 11, 1))
        found = self.configure(f"-DLIBTORCH_ROOT={made}")
        self.assertEqual(found["FOUND"], "TRUE")

    def test_has_cuda_only_with_libraries_and_all_headers(self):
        made = self.make_libtorch("site/torch", cuda=True)
        named = f"-DLIBTORCH_ROOT={made}"
        self.assertEqual(self.configure(named)["HAS_CUDA"], "FALSE")
        for missing in CUDA_HEADERS:
            self.make_cuda_headers("site", but=CUDA_HEADERS)
            for header in CUDA_HEADERS:
                path = self.folder / "site/nvidia/cu13/include" / header
                path.unlink(missing_ok=True)
            self.make_cuda_headers("site", but=(missing,))
            with self.subTest(missing=missing):
                self.assertEqual(self.configure(named)["HAS_CUDA"], "FALSE")
        self.make_cuda_headers("site", number=12080)
        self.assertEqual(self.configure(named)["HAS_CUDA"], "FALSE")
        self.make_cuda_headers("site", number=13010)
        found = self.configure(named)
        self.assertEqual(found["HAS_CUDA"], "TRUE")
        self.assertEqual(found["CUDA_VERSION"], "13.1")
        self.assertEqual(found["CUDA_TARGET"], "1")
        (made / "lib/libc10_cuda.so").unlink()
        self.assertEqual(self.configure(named)["HAS_CUDA"], "FALSE")


if __name__ == "__main__":
    unittest.main()

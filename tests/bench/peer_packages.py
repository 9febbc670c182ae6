"""Python environments of the benches that compare with other programs.

Each is a venv below .deps/ with pinned versions, made by the bench that needs it. Torch,
which is 4.6 GB, is taken from where it is already: a Python named in RESNETD_TORCH_PYTHON,
or the whole LibTorch that `./dev setup --cuda` keeps.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence

SOURCE = pathlib.Path(__file__).resolve().parents[2]
TORCH = "torch==2.11.0"
TORCHVISION = "torchvision==0.26.0"
PILLOW = "pillow==13.0.0"
# Beside onnxruntime, OpenVINO and torch: OpenCV and Pillow, for ./dev bench decode.
ENGINES = ("nncf==3.4.0", "numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.31.1",
           "opencv-python-headless==5.0.0.93", "openvino==2026.4.1", PILLOW)
ENGINES_FOLDER = SOURCE / ".deps" / "peers"


def run(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {done.returncode}")
    return done.stdout


def _pythons() -> Iterator[tuple[str, dict[str, str]]]:
    """Where torch may be: a Python, and what its environment needs."""
    for python in (os.environ.get("RESNETD_TORCH_PYTHON", ""), "/opt/oracle/venv/bin/python"):
        if python and pathlib.Path(python).exists():
            yield python, {}
    for folder in (os.environ.get("LIBTORCH_ROOT", ""), str(SOURCE / ".deps" / "torch")):
        if folder and pathlib.Path(folder, "torch").exists():
            yield sys.executable, {"PYTHONPATH": folder}


def folder_with_torch() -> str:
    """The packages of a Python of this version that has torch; empty: there is none."""
    ask = ("import sys, torch, pathlib; print(torch.__version__.split('+')[0],"
           " '%d.%d' % sys.version_info[:2], pathlib.Path(torch.__file__).parents[1])")
    for python, environment in _pythons():
        told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False,
                              env={**os.environ, **environment})
        version, _, rest = told.stdout.strip().partition(" ")
        of_python, _, folder = rest.partition(" ")
        if TORCH.endswith(f"={version}") and of_python == "%d.%d" % sys.version_info[:2]:
            return folder
    return ""


def install(venv: pathlib.Path, packages: Sequence[str]) -> pathlib.Path:
    """The Python of `venv` with torch, torchvision and `packages`; does nothing where they
    are there."""
    python = venv / "bin" / "python"
    wanted = "\n".join((TORCH, TORCHVISION, *packages))
    mark = venv / "installed"
    if mark.exists() and mark.read_text() == wanted:
        return python
    print(f"installing {len(packages)} packages into {venv.relative_to(SOURCE)}",
          file=sys.stderr, flush=True)
    run(sys.executable, "-m", "venv", venv)
    torch = folder_with_torch()
    if torch:
        [site] = (venv / "lib").glob("python*/site-packages")
        (site / "torch.pth").write_text(torch + "\n")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, *(() if torch else (TORCH,)), *packages)
    # Alone it would bring a torch of its own.
    run(*pip, "--no-deps", TORCHVISION)
    mark.write_text(wanted)
    return python

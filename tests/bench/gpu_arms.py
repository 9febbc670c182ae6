"""Where gpu_bench.py measures, and the programs that wait there for their turns."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gpu_goals import worst_difference

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
# A program that measures for so much longer than it was told hangs.
PATIENCE_SECONDS = 60.0


class Failed(Exception):
    """Says why there are no figures."""


class Progress:
    """What is being measured, and how much of all that is; on a terminal alone."""

    WIDTH = 24

    def __init__(self, parts: int) -> None:
        self._parts, self._done, self._shown = parts, 0, sys.stderr.isatty()

    def show(self, text: str) -> None:
        if self._shown:
            full = self.WIDTH * self._done // max(self._parts, 1)
            bar = "#" * full + "-" * (self.WIDTH - full)
            print(f"\r\x1b[K[{bar}] {text}", end="", file=sys.stderr, flush=True)

    def part_done(self) -> None:
        self._done += 1
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured of which network."""
    architecture: str = "resnet50"
    # Rising; the last is that of throughput.
    batches: Sequence[int] = (1, 8, 32, 128)
    rounds: int = 5
    # Of one arm with one batch size in a round.
    seconds: float = 0.6
    peers: Sequence[str] = ("eager", "compiled")
    compile_seconds: float = 200
    # Pictures out at once over gRPC, and seconds of each load.
    clients: Sequence[int] = (32, 64, 96, 128, 192, 256, 384)
    pictures_per_call: Sequence[int] = (1, 8)
    load_seconds: float = 1.5
    # Of whole training steps.
    train_batch: int = 256
    train_steps: int = 8
    # Of the job beside serving.
    job_batch: int = 64
    beside_seconds: float = 5
    gradients: Sequence[int] = (64, 224, 6)


# Shows that everything works, also where there is no GPU.
QUICK = Plan(architecture="cifar_resnet8", batches=(1, 4), rounds=2, seconds=0.05,
             peers=("eager",), clients=(2, 4), load_seconds=0.5, train_batch=8, train_steps=1,
             job_batch=4, beside_seconds=2, gradients=(2, 32, 2))


@dataclasses.dataclass
class Place:
    """One run of the bench."""
    device: str
    plan: Plan
    folder: pathlib.Path
    # Has torch, in the environment of `outside()`.
    python: str
    progress: Progress
    # Of the monotonic clock.
    ends: float
    side: int = 0

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def peer_device(self) -> str:
        """The host in the place of a GPU is torch's CPU."""
        return self.device if self.on_gpu else "cpu"

    @property
    def train_precision(self) -> str:
        """Few CPUs have bfloat16."""
        return "bf16" if self.on_gpu else "fp32"

    @property
    def weights(self) -> pathlib.Path:
        return self.folder / "served" / "model.safetensors"

    @property
    def pictures(self) -> pathlib.Path:
        return self.folder / "pictures"

    def left(self) -> float:
        """Seconds; Failed when there are none."""
        seconds = self.ends - time.monotonic()
        if seconds <= 1:
            raise Failed("no time was left: ask for it alone (--goals)")
        return seconds

    def program(self, name: str) -> str:
        return str(pathlib.Path(os.environ["RESNETD_BIN_DIR"]) / name)

    def outside(self) -> dict[str, str]:
        """The environment for a Python that knows nothing of a bundle's libraries."""
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        outer = environment.pop("RESNETD_OUTER_LIBRARY_PATH", None)
        if outer is not None:
            # For programs of ours that this Python starts.
            environment["RESNETD_PROGRAM_LIBRARY_PATH"] = environment["LD_LIBRARY_PATH"]
            environment["LD_LIBRARY_PATH"] = outer
        root = pathlib.Path(os.environ.get("LIBTORCH_ROOT") or SOURCE / ".deps" / "torch")
        if (self.python == sys.executable and importlib.util.find_spec("torch") is None
                and (root / "torch").exists()):
            environment["PYTHONPATH"] = str(root)
        return environment

    def run(self, command: Sequence[object], environment: Mapping[str, str] | None = None) -> str:
        """What a program prints that ends by itself, in the time that is left."""
        words = [str(word) for word in command]
        name = pathlib.Path(words[0]).name
        if name.startswith("python"):
            name = pathlib.Path(words[1]).name
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False,
                                  timeout=self.left(), env=environment)
        except subprocess.TimeoutExpired:
            raise Failed(f"{name} was not done when the time was over") from None
        except OSError as problem:
            raise Failed(str(problem)) from None
        if done.returncode != 0:
            raise Failed(f"{name} ended with {done.returncode}: {last_line(done.stderr)}")
        return done.stdout

    def prepare(self) -> None:
        """Writes the model, as a folder that a server takes, and pictures for it."""
        self.weights.parent.mkdir()
        told = self.run([self.program("gpu_bench"), "files", self.plan.architecture,
                         self.weights, self.pictures, self.plan.batches[-1]])
        self.side = json.loads(told)["side"]
        manifest = {"format": "resnetd-model/1", "name": "served",
                    "architecture": self.plan.architecture,
                    "num_classes": len(self.golden()[0]),
                    "preprocess": {"resize": self.side, "crop": self.side,
                                   "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}
        (self.weights.parent / "manifest.json").write_text(json.dumps(manifest))

    def golden(self) -> list[list[float]]:
        """Logits in float64, a row a picture."""
        path = SOURCE / "tests" / "golden" / "logits" / f"{self.plan.architecture}.txt"
        rows: list[list[float]] = []
        for line in path.read_text().splitlines():
            if line.startswith("picture"):
                rows.append([])
            elif not line.startswith("#"):
                rows[-1].append(float(line))
        return rows


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "it said nothing"


class Arm:
    """One network in one precision, in a process that waits for its turns."""

    def __init__(self, name: str, command: Sequence[object], place: Place,
                 environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._log = place.folder / f"{name}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, env=environment)

    @staticmethod
    def ours(precision: str, place: Place, batches: Sequence[int]) -> Arm:
        return Arm(f"resnetd {precision}",
                   [place.program("gpu_bench"), "run", place.device, precision,
                    place.plan.architecture, ",".join(map(str, batches))], place)

    @staticmethod
    def torch(mode: str, place: Place, batches: Sequence[int]) -> Arm:
        return Arm(f"torch {mode} bf16",
                   [place.python, HERE / "gpu_peer.py", mode, place.peer_device, "bf16",
                    place.weights, place.pictures, place.side, ",".join(map(str, batches))],
                   place, place.outside())

    def _answer(self, seconds: float, doing: str) -> dict[str, Any]:
        assert self.process.stdout
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise Failed(f"{self.name} took longer than {seconds:.0f} s to {doing}")
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended with {self.process.wait()}:"
                         f" {last_line(self._log.read_text())}")
        return json.loads(line)

    def ready(self, seconds: float, golden: Sequence[Sequence[float]]) -> dict[str, Any]:
        """What it says of itself, once it can measure."""
        told = self._answer(max(seconds, 1), "start")
        told["difference"] = worst_difference(golden, told.pop("logits"))
        told["warnings"] = [line.strip() for line in self._log.read_text().splitlines()
                            if "cuDNN does not" in line or "does not fit" in line]
        return told

    def round(self, batch: int, seconds: float, in_flight: int) -> dict[str, float]:
        assert self.process.stdin
        try:
            self.process.stdin.write(f"time {batch} {seconds} {in_flight}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # Its answer says why.
        told = self._answer(seconds + PATIENCE_SECONDS, f"compute batches of {batch}")
        return {"per_second": batch * told["batches"] / told["wall"], "p50_ms": told["p50_ms"],
                "p99_ms": told["p99_ms"], "host_ms": 1e3 * told["cpu"] / told["batches"]}

    def end(self) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

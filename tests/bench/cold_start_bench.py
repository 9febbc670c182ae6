#!/usr/bin/env python3
# Programs: resnetd resnetctl resnetd_torch
"""Time from starting the server to its first answer: with the demo model, and with a ResNet-50
whose precision was chosen before.

Prints the median, the least and the most of several runs:
  ready   the process started -> its log says it is ready
  answer  the process started -> resnetctl has printed the classes of a picture
          (with the start of resnetctl itself)
  cpu     processor time of the server up to then, which a busy machine does not change
and a line a goal. The ResNet-50 (--architecture resnet50, which is also the default; demo: that
part alone) has weights as before training. Its first start, which answers in fp32 while it
chooses a precision, is shown by itself; the runs find the choice in the data folder. Last come
starts of the same ResNet-50 that may only serve it in fp32, which have no goal. With --folder what
they need is kept there, and a choice that an earlier run left is taken: making it takes a minute.
"""

from __future__ import annotations

import argparse
import math
import pathlib
import random
import statistics
import struct
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration")]

from bench_stats import Goal  # noqa: E402
from harness import SOURCE, Server  # noqa: E402
from interference_bench import machine, seconds_of, write_pictures  # noqa: E402
from weights import Tensor, write_safetensors  # noqa: E402

PICTURE = SOURCE / "demo" / "digit-3.png"
# Seconds to the first answer.
GOALS = {"demo": 0.5, "resnet50": 1.0}
CLASSES = 1000
# Of each of four classes; 80 in all are the least that int8 is tried with.
CALIBRATION_PICTURES = 20


def measure(flags: list[object]) -> tuple[float, float, float]:
    """Seconds of one fresh server: to readiness, to the first answer, of the processor."""
    started = time.monotonic()
    with Server(*flags) as server:
        ready = time.monotonic() - started
        result = server.ctl("classify", PICTURE)
        answer = time.monotonic() - started
        cpu = seconds_of(pathlib.Path(f"/proc/{server.process.pid}/stat").read_text())
        if result.returncode != 0:
            raise SystemExit(result.stderr)
    return ready, answer, cpu


class Resnet50:
    """Its tensors; numbers are repeated, as millions of them take Python seconds."""

    def __init__(self) -> None:
        draw = random.Random(50)
        self.noise = [draw.gauss(0, 1) for _ in range(1 << 14)]
        self.tensors: dict[str, Tensor] = {}
        self.convolution("conv1", [64, 3, 7, 7], "bn1")
        width = 64
        for stage, (planes, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
            for block in range(blocks):
                self.block(f"layer{stage}.{block}", width, planes)
                width = 4 * planes
        self.add("fc.weight", [CLASSES, width], scale=math.sqrt(1 / width))
        self.add("fc.bias", [CLASSES])

    def add(self, name: str, shape: list[int], scale: float = 0, offset: float = 0) -> None:
        values = struct.pack(f"<{len(self.noise)}f", *(offset + scale * x for x in self.noise))
        size = 4 * math.prod(shape)
        self.tensors[name] = Tensor("F32", shape, (values * (size // len(values) + 1))[:size])

    def convolution(self, name: str, shape: list[int], norm: str, last: bool = False) -> None:
        self.add(f"{name}.weight", shape, scale=math.sqrt(2 / math.prod(shape[1:])))
        # What a block adds is small, so that the sum does not grow with depth.
        self.add(f"{norm}.weight", shape[:1], offset=0.2 if last else 1)
        self.add(f"{norm}.bias", shape[:1])
        self.add(f"{norm}.running_mean", shape[:1])
        self.add(f"{norm}.running_var", shape[:1], offset=1)

    def block(self, name: str, width: int, planes: int) -> None:
        for number, (shape, last) in enumerate((([planes, width, 1, 1], False),
                                                ([planes, planes, 3, 3], False),
                                                ([4 * planes, planes, 1, 1], True)), 1):
            self.convolution(f"{name}.conv{number}", shape, f"{name}.bn{number}", last)
        if name.endswith(".0"):
            self.convolution(f"{name}.downsample.0", [4 * planes, width, 1, 1],
                             f"{name}.downsample.1")


def choose(folder: pathlib.Path, flags: list[object]) -> list[object]:
    """Flags of a server of a ResNet-50 that has made its choice in `folder`."""
    flags = ["--data-dir", folder / "data", "--weights", folder / "resnet50.safetensors",
             "--precision", "auto", "--calibration-pictures", folder / "pictures", *flags]
    if any((folder / "data" / "precision").glob("*.json")):
        return flags
    write_safetensors(folder / "resnet50.safetensors", Resnet50().tensors)
    write_pictures(folder / "pictures", 224, CALIBRATION_PICTURES)
    started = time.monotonic()
    with Server(*flags) as server:
        ready = time.monotonic() - started
        line = server.wait_for_line("precision chosen")
        print(f"resnet50 first start: ready after {ready:.3f} s, chosen after"
              f" {time.monotonic() - started:.1f} s: {line}")
    return flags


def run(name: str, flags: list[object], runs: int) -> list[float]:
    """Prints the figures of `runs` starts; the seconds to their first answers."""
    times = [measure(flags) for _ in range(runs)]
    for what, values in zip(("ready", "answer", "cpu"), zip(*times)):
        print(f"{name:8} {what:8} median {statistics.median(values):.3f} s, "
              f"least {min(values):.3f} s, most {max(values):.3f} s, {len(values)} runs",
              flush=True)
    return [answer for _, answer, _ in times]


def goal(name: str, answers: list[float]) -> Goal:
    return Goal("C14", f"{name}, seconds from the start to the first answer",
                statistics.median(answers), GOALS[name], at_most=True, low=min(answers),
                high=max(answers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--architecture", choices=GOALS, default="resnet50")
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("flags", nargs="*", help="further flags of resnetd, after --")
    options = parser.parse_args()
    print(machine(), flush=True)
    goals = [goal("demo", run("demo", options.flags, options.runs))]
    if options.architecture == "resnet50":
        with tempfile.TemporaryDirectory(prefix="resnetd-bench-") as name:
            folder = options.folder or pathlib.Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            flags = choose(folder, options.flags)
            goals.append(goal("resnet50", run("resnet50", flags, options.runs)))
            run("fp32", [*flags, "--precision", "fp32"], options.runs)
    print("\n".join(goal.line() for goal in goals))


if __name__ == "__main__":
    main()

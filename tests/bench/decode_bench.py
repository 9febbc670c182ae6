#!/usr/bin/env python3
# Programs: image_tool
"""Decoding, resizing and cropping JPEGs beside Pillow and OpenCV, on one thread.

Each round does every case once with each, so that all meet the same clock and caches.
Printed are the medians of the processor time of the thread, ours over theirs with a 95 %
interval (bootstrap over the rounds), whether our pixels are Pillow's bit for bit, and a line a
goal. What single kernels of ours take is `./dev bench image`.

OpenCV has no antialiased bilinear filter: what stands beside us is its decoder with Pillow's
resize, the faster half of each. Both come from .deps/peers/venv, as ./dev bench peers has it.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration")]

from bench_stats import Goal, Ratio  # noqa: E402
from interference_bench import machine  # noqa: E402
from peer_packages import ENGINES, ENGINES_FOLDER, install  # noqa: E402

# Width, height; resized to a short side of 256, cut to 224.
SIZES = ((500, 375), (1024, 768), (4000, 3000))
RESIZE, CROP = 256, 224
PHOTO = HERE.parent / "golden" / "image" / "flower.jpg"
GOAL_SIZE = SIZES[0]
GOAL = 0.9


class Tool:
    """Ours, a command a line."""

    def __init__(self, path: pathlib.Path) -> None:
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, command: str) -> list[bytes]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def seconds(self, command: str) -> float:
        kind, number = self.ask(command)
        assert kind == b"seconds", (command, kind)
        return float(number)

    def pixels(self, command: str) -> bytes:
        kind, width, height = self.ask(command)
        assert kind == b"ok" and self.process.stdout, (command, kind)
        return self.process.stdout.read(int(width) * int(height) * 3)


def timed(function: Callable[[], object]) -> float:
    start = time.thread_time()
    function()
    return time.thread_time() - start


def cut(image):
    """What torchvision's Resize and CenterCrop call."""
    from PIL import Image

    width, height = image.size
    short = min(width, height)
    size = (int(RESIZE * width / short), int(RESIZE * height / short))
    left, top = (int(round((side - CROP) / 2.0)) for side in size)
    return image.resize(size, Image.BILINEAR).crop((left, top, left + CROP, top + CROP))


@dataclasses.dataclass
class Case:
    """One size: seconds of each part, a number a round, and whether the pixels are equal."""
    name: str
    is_goal: bool
    equal: bool
    parts: dict[str, Callable[[], float]]
    seconds: dict[str, list[float]]

    def whole(self, decode: str, resize: str) -> list[float]:
        return [a + b for a, b in zip(self.seconds[decode], self.seconds[resize])]

    def round(self) -> None:
        for part, run in self.parts.items():
            self.seconds[part].append(run())


def cases(folder: str, tool: Tool) -> Iterator[Case]:
    import cv2
    import numpy
    from PIL import Image

    cv2.setNumThreads(1)
    photo = Image.open(PHOTO)
    for width, height in SIZES:
        path = f"{folder}/{width}x{height}.jpg"
        photo.resize((width, height), Image.BICUBIC).save(path, quality=92)
        encoded = pathlib.Path(path).read_bytes()
        # Bound here, as the loop goes on.
        buffer = numpy.frombuffer(encoded, numpy.uint8)
        image = Image.open(path)
        image.load()
        parts = {
            "Pillow decode": lambda encoded=encoded: timed(
                lambda: Image.open(io.BytesIO(encoded)).convert("RGB").load()),
            "OpenCV decode": lambda buffer=buffer: timed(
                lambda: cv2.imdecode(buffer, cv2.IMREAD_COLOR)),
            "Pillow resize": lambda image=image: timed(lambda: cut(image).load()),
            "resnetd decode": lambda path=path: tool.seconds(f"time-decode {path}"),
            "resnetd resize": lambda path=path: tool.seconds(f"time {RESIZE} {CROP} {path}"),
        }
        yield Case(f"{width}x{height}", (width, height) == GOAL_SIZE,
                   cut(image).tobytes() == tool.pixels(f"preprocess {RESIZE} {CROP} {path}"),
                   parts, {part: [] for part in parts})


def report(measured: list[Case]) -> list[Goal]:
    """Prints the table; the goals."""
    goals = []
    print(f"{'':12}{'':16}{'Pillow':>12}{'OpenCV':>12}{'resnetd':>12}  ours over it (95 %)")
    for case in measured:
        ours = case.whole("resnetd decode", "resnetd resize")
        pillow = case.whole("Pillow decode", "Pillow resize")
        mixed = case.whole("OpenCV decode", "Pillow resize")
        rows = [("decode", case.seconds["Pillow decode"], case.seconds["OpenCV decode"],
                 case.seconds["resnetd decode"]),
                ("resize, crop", case.seconds["Pillow resize"], None,
                 case.seconds["resnetd resize"]),
                ("both", pillow, mixed, ours)]
        for name, by_pillow, by_opencv, by_us in rows:
            peer = by_opencv or by_pillow
            ratio = Ratio.of(by_us, peer)
            cells = [f"{1e3 * statistics.median(values):9.3f} ms" if values else f"{'':12}"
                     for values in (by_pillow, by_opencv, by_us)]
            print(f"{case.name:12}{name:16}{''.join(cells)}  {ratio.value:.3f}"
                  f" ({ratio.low:.3f} to {ratio.high:.3f})")
        if case.is_goal:
            ratio = Ratio.of(ours, mixed)
            goals.append(Goal("decode", f"time over OpenCV decode + Pillow resize, {case.name}",
                              ratio.value, GOAL, at_most=True, low=ratio.low, high=ratio.high))
        goals.append(Goal("decode", f"pixels equal to Pillow's, {case.name}", float(case.equal),
                          1))
    return goals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--quick", action="store_true", help="seven rounds")
    parser.add_argument("--raw", type=pathlib.Path, help="where the raw figures go, as JSON")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 7
    python = install(ENGINES_FOLDER / "venv", ENGINES)
    if pathlib.Path(sys.prefix) != ENGINES_FOLDER / "venv":
        os.execv(python, [str(python), *sys.argv])
    print(machine(), flush=True)
    tool = Tool(pathlib.Path(os.environ["RESNETD_BIN_DIR"]) / "image_tool")
    with tempfile.TemporaryDirectory(prefix="resnetd-decode-") as folder:
        measured = list(cases(folder, tool))
        for _ in range(options.rounds):
            for case in measured:
                case.round()
    if options.raw:
        options.raw.write_text(json.dumps({case.name: case.seconds for case in measured}))
    goals = report(measured)
    print("\n".join(goal.line() for goal in goals))


if __name__ == "__main__":
    main()

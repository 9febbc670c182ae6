#!/usr/bin/env python3
"""Times resize + crop, and decoding, against Pillow: in turns, in one run.

    compare_pillow.py path/to/image_tool [rounds, default 15]

Use a tool of the release preset. Each round does every case once with Pillow and
once with image_tool, so that both meet the same clock and caches. Printed are the
medians of the CPU time of the one thread that both use, and their ratio.
"""
import io
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from PIL import Image

# Width, height, resize, crop. In the last one nothing is cut off: the resize
# alone.
CASES = [(500, 375, 256, 224), (1024, 768, 256, 224), (4000, 3000, 256, 224),
         (1000, 1000, 224, 224)]
PHOTO = (pathlib.Path(__file__).resolve().parents[1] / "golden" / "image" /
         "flower.jpg")


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def seconds(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        kind, number = self.process.stdout.readline().split()
        assert kind == b"seconds", (command, kind)
        return float(number)


def timed(function):
    start = time.thread_time()
    function()
    return time.thread_time() - start


def preprocess(image, resize, crop):
    """What torchvision's Resize and CenterCrop call."""
    width, height = image.size
    if width <= height:
        size = (resize, int(resize * height / width))
    else:
        size = (int(resize * width / height), resize)
    left, top = (int(round((side - crop) / 2.0)) for side in size)
    image.resize(size, Image.BILINEAR).crop(
        (left, top, left + crop, top + crop)).load()


def cases(folder, tool):
    """Yields (name, function that times Pillow, function that times us)."""
    photo = Image.open(PHOTO)
    for width, height, resize, crop in CASES:
        path = f"{folder}/{width}x{height}.jpg"
        photo.resize((width, height), Image.BICUBIC).save(path, quality=92)
        image = Image.open(path)
        image.load()
        yield (f"{width}x{height} -> {resize} -> {crop}",
               lambda image=image, r=resize, c=crop:
               timed(lambda: preprocess(image, r, c)),
               lambda path=path, r=resize, c=crop:
               tool.seconds(f"time {r} {c} {path}"))
    encoded = PHOTO.read_bytes()
    yield ("decode flower.jpg, 640x427",
           lambda: timed(lambda: Image.open(io.BytesIO(encoded)).convert(
               "RGB").load()),
           lambda: tool.seconds(f"time-decode {PHOTO}"))


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    tool = Tool(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        runs = [(name, pillow, ours, [], [])
                for name, pillow, ours in cases(folder, tool)]
        for _ in range(rounds):
            for _, pillow, ours, pillow_times, our_times in runs:
                pillow_times.append(pillow())
                our_times.append(ours())
    print(f"Pillow {Image.__version__}, {rounds} rounds, medians of CPU time")
    print(f"{'':32}{'Pillow':>10}{'resnetd':>10}{'ratio':>8}")
    for name, _, _, pillow_times, our_times in runs:
        a = statistics.median(pillow_times)
        b = statistics.median(our_times)
        print(f"{name:32}{a * 1e3:7.3f} ms{b * 1e3:7.3f} ms{a / b:7.1f}x")


if __name__ == "__main__":
    main()

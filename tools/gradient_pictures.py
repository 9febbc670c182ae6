#!/usr/bin/env python3
"""Draws docs/pictures/gradients.svg: a server of its own trains cifar_resnet20
from random weights on the digits of data/digits, on one thread, and resnetctl
draws how the gradient came back.

usage: gradient_pictures.py FOLDER_OF_BINARIES [--svg FILE] [--steps N]
"""

from __future__ import annotations

import argparse
import pathlib

import digit_files
from demo_server import Server

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODEL = "digits-of-20-layers"
SEED = 1
# About 40 samples: what is wide enough to be read in a page.
SAMPLES = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("--svg", type=pathlib.Path,
                        default=ROOT / "docs" / "pictures" / "gradients.svg")
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    # One thread: sums in one order on every machine.
    with Server(arguments.binaries, "--threads", "1") as server:
        pictures = server.folder / "pictures"
        digit_files.write(pictures, "0123456789", "training", 10_000)
        server.must("train", "start", "--data", pictures, "--model", MODEL, "--scratch",
                    "cifar_resnet20", "--input-size", digit_files.SIDE, "--steps",
                    arguments.steps, "--probe-every", max(1, arguments.steps // SAMPLES),
                    "--seed", SEED, "--watch")
        arguments.svg.parent.mkdir(parents=True, exist_ok=True)
        server.must("gradients", 1, "--svg", arguments.svg, "--force")
    print(f"drawn: {arguments.svg}")


if __name__ == "__main__":
    main()

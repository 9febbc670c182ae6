#!/usr/bin/env python3
"""Training speed of the server's trainer beside Python's torch, eager.

Whole steps (normalise, forward, backward, SGD with momentum) in float32 on one
thread each, from the same pictures; images per second of CPU. The arms take
turns, so that what else the machine does meets all of them. Prints each arm's
median and the ratio of ours to the fastest other, with a 95 % interval
(bootstrap over the rounds).

    build/release/bin/training_bench is ours; the peer needs torch and
    torchvision, e.g. /opt/oracle/venv/bin/python tests/bench/training_bench.py
"""

from __future__ import annotations

import argparse
import pathlib
import random
import statistics
import subprocess
import time

import torch
import torchvision
from torch.nn import functional

ROOT = pathlib.Path(__file__).resolve().parents[2]
# name -> (channels_last, fused optimiser): the eager settings that exist.
PEERS = {
    "torch nhwc fused": (True, True),
    "torch nhwc": (True, False),
    "torch nchw fused": (False, True),
}
PARTS = ("stem", "layer1", "layer2", "layer3", "layer4", "fc")


class Ours:
    """The C++ program, one round a line."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.process = subprocess.Popen(
            [options.program, options.architecture, str(options.batch), str(options.side),
             str(options.steps), str(options.first_part)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self) -> float:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """torchvision's network and torch.optim.SGD."""

    def __init__(self, options: argparse.Namespace, channels_last: bool, fused: bool) -> None:
        self.options = options
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.model = torchvision.models.get_model(options.architecture, weights=None)
        self.model = self.model.to(memory_format=self.format).train()
        self.freeze(options.first_part)
        self.optimizer = torch.optim.SGD(
            [p for p in self.model.parameters() if p.requires_grad], lr=1e-6, momentum=0.9,
            nesterov=True, weight_decay=1e-4, fused=fused, foreach=False)
        shape = (options.batch, options.side, options.side, 3)
        self.pixels = torch.randint(0, 256, shape, dtype=torch.uint8)
        self.labels = torch.arange(options.batch) % 1000
        self.mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
        self.std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
        self.step()

    def freeze(self, first_part: int) -> None:
        for name, child in self.model.named_children():
            part = PARTS.index(name) if name in PARTS else 0
            if part < first_part:
                child.requires_grad_(False).eval()

    def step(self) -> None:
        shown = self.pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=self.format)
        shown = shown.div_(255).sub_(self.mean).div_(self.std)
        loss = functional.cross_entropy(self.model(shown), self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss.item()

    def round(self) -> float:
        started = time.process_time()
        for _ in range(self.options.steps):
            self.step()
        return self.options.steps * self.options.batch / (time.process_time() - started)


def interval(ours: list[float], peer: list[float]) -> tuple[float, float]:
    """95 % of the median of the rounds' ratios."""
    ratios = [a / b for a, b in zip(ours, peer)]
    draw = random.Random(1)
    medians = sorted(
        statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    return medians[50], medians[1949]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/bin/training_bench")
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--steps", type=int, default=1, help="a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--first-part", type=int, default=0,
                        help="of those that are trained: 0 all, 4 layer4 and head, 5 head")
    parser.add_argument("--peers", nargs="*", default=["torch nhwc fused"], choices=list(PEERS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    ours = Ours(options)
    peers = {name: Peer(options, *PEERS[name]) for name in options.peers}
    speeds: dict[str, list[float]] = {"ours": []} | {name: [] for name in peers}
    for _ in range(options.rounds):
        speeds["ours"].append(ours.round())
        for name, peer in peers.items():
            speeds[name].append(peer.round())
    ours.close()
    print(f"{options.architecture}, batch {options.batch}, {options.side}x{options.side}, "
          f"trained from part {options.first_part}; images per CPU-second, "
          f"{options.rounds} rounds of {options.steps} steps")
    for name, values in speeds.items():
        print(f"{name:18} median {statistics.median(values):8.2f}  "
              f"least {min(values):8.2f}  most {max(values):8.2f}")
    best = max(peers, key=lambda name: statistics.median(speeds[name]), default=None)
    if best:
        low, high = interval(speeds["ours"], speeds[best])
        ratio = statistics.median(a / b for a, b in zip(speeds["ours"], speeds[best]))
        print(f"ours / {best}: {ratio:.3f}, 95 % {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()

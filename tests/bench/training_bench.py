#!/usr/bin/env python3
"""Training speed of the server's trainer beside Python's torch, eager.

Images per second of CPU on one thread each, from the same pictures, in float32 and,
with --precision bf16, in bfloat16 (Python: autocast):

* whole steps (normalise, forward, backward, SGD with momentum) beside the same
  steps in Python, in each of its eager settings,
* steps of the last stage and the head on features of what is frozen, which the
  engine computed before, and
* steps of the head alone on such features, both beside Python's best whole
  step; Python's own step with the same parts frozen is shown, too.

The arms take turns, so that what else the machine does meets all of them.
Prints each arm's median, the ratios with a 95 % interval (bootstrap over the
rounds), the goals, and the peak of resident memory of our arms in the first
round and in the last.

    RESNETD_TORCH_PYTHON=/path/to/venv/bin/python ./dev bench training

with a Python that has torch 2.11.0, and torchvision unless --weights names a file
to take the network from. With --device cuda:0, or fake, all is images per second
of the clock; ./dev bench gpu calls it so.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

try:
    import torch
    from torch.nn import functional
except ImportError as problem:
    sys.exit(f"{problem}. The peer is Python's torch: name a Python that has torch 2.11.0 and "
             "torchvision in RESNETD_TORCH_PYTHON.")

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bench_stats import interval  # noqa: E402

# name -> (channels_last, fused optimiser, bfloat16): the eager settings that exist.
PEERS = {
    "torch nhwc fused": (True, True, False),
    "torch nhwc": (True, False, False),
    "torch nchw fused": (False, True, False),
    "torch nhwc fused bf16": (True, True, True),
    "torch nchw fused bf16": (False, True, True),
}
# Of the low end of the interval, as a multiple of the best whole step of Python.
GOALS = {"full": 0.98, "last stage, cached": 5.0, "head, cached": 100.0}
PARTS = ("stem", "layer1", "layer2", "layer3", "layer4", "fc")


def environment_of_ours() -> dict[str, str]:
    """Programs of a bundle have libraries beside them that are not for this Python."""
    libraries = os.environ.get("RESNETD_PROGRAM_LIBRARY_PATH")
    return {**os.environ, **({"LD_LIBRARY_PATH": libraries} if libraries else {})}


class Ours:
    """The C++ program, one round a line."""

    def __init__(self, options: argparse.Namespace, first_part: int, shown: str,
                 steps: int) -> None:
        self.process = subprocess.Popen(
            [options.program, options.architecture, str(options.batch), str(options.side),
             str(steps), str(first_part), shown, options.precision, options.device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment_of_ours())
        self.memory: list[float] = []

    def round(self) -> float:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        if len(words) != 2:
            sys.exit(f"{' '.join(map(str, self.process.args))} ended with {self.process.wait()}")
        speed, memory = words
        self.memory.append(float(memory))
        return float(speed)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def network_of(options: argparse.Namespace) -> torch.nn.Module:
    if options.weights:
        import torch_resnet

        return torch_resnet.load(options.weights)
    try:
        import torchvision
    except ImportError as problem:
        sys.exit(f"{problem}. The network is torchvision's: name a Python that has it in "
                 "RESNETD_TORCH_PYTHON, or a file with --weights.")
    return torchvision.models.get_model(options.architecture, weights=None)


class Peer:
    """Python's network and torch.optim.SGD."""

    def __init__(self, options: argparse.Namespace, channels_last: bool, fused: bool,
                 bfloat16: bool, first_part: int = 0) -> None:
        self.options = options
        self.bfloat16 = bfloat16
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        # The host in the place of a GPU is the CPU.
        self.device = options.device if options.device.startswith("cuda") else "cpu"
        self.model = network_of(options).to(self.device, memory_format=self.format).train()
        self.freeze(first_part)
        self.optimizer = torch.optim.SGD(
            [p for p in self.model.parameters() if p.requires_grad], lr=1e-6, momentum=0.9,
            nesterov=True, weight_decay=1e-4, fused=fused, foreach=False)
        shape = (options.batch, options.side, options.side, 3)
        self.pixels = torch.randint(0, 256, shape, dtype=torch.uint8)
        if self.device != "cpu":
            self.pixels = self.pixels.pin_memory()
        classes = self.model.fc.out_features
        self.labels = (torch.arange(options.batch) % classes).to(self.device)
        self.mean = torch.tensor([0.485, 0.456, 0.406], device=self.device)[:, None, None]
        self.std = torch.tensor([0.229, 0.224, 0.225], device=self.device)[:, None, None]
        self.step()

    def freeze(self, first_part: int) -> None:
        for name, child in self.model.named_children():
            part = PARTS.index(name) if name in PARTS else 0
            if part < first_part:
                child.requires_grad_(False).eval()

    def step(self) -> None:
        shown = self.pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        shown = shown.to(torch.float32, memory_format=self.format)
        shown = shown.div_(255).sub_(self.mean).div_(self.std)
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16,
                            enabled=self.bfloat16):
            loss = functional.cross_entropy(self.model(shown), self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss.item()

    def round(self) -> float:
        # Each step ends with its loss on the host.
        now = time.process_time if self.options.device == "cpu" else time.perf_counter
        started = now()
        for _ in range(self.options.steps):
            self.step()
        return self.options.steps * self.options.batch / (now() - started)

    def close(self) -> None:
        pass


def arms_of(options: argparse.Namespace) -> dict[str, Ours | Peer]:
    """By name, in the order in which they take turns."""
    last, head = len(PARTS) - 2, len(PARTS) - 1
    arms: dict[str, Ours | Peer] = {"full": Ours(options, 0, "pictures", options.steps)}
    arms |= {name: Peer(options, *PEERS[name]) for name in options.peers}
    if options.arms == "all":
        arms["last stage, cached"] = Ours(options, last, "features", 4 * options.steps)
        arms["head, cached"] = Ours(options, head, "features", 200 * options.steps)
        arms["last stage, engine"] = Ours(options, last, "engine", options.steps)
        arms["last stage, no cache"] = Ours(options, last, "pictures", options.steps)
        arms["torch, last stage"] = Peer(options, True, True, options.precision == "bf16", last)
    return arms


def report(options: argparse.Namespace, arms: dict[str, Ours | Peer],
           speeds: dict[str, list[float]]) -> None:
    unit = "CPU-second" if options.device == "cpu" else f"second on {options.device}"
    print(f"{options.architecture}, batch {options.batch}, {options.side}x{options.side}, "
          f"ours {options.precision}; images per {unit}, {options.rounds} rounds of "
          f"{options.steps} steps")
    for name, values in speeds.items():
        memory = getattr(arms[name], "memory", None)
        print(f"{name:22} median {statistics.median(values):9.2f}  "
              f"least {min(values):9.2f}  most {max(values):9.2f}"
              + (f"  {memory[0]:6.0f} to {memory[-1]:6.0f} MiB" if memory else ""))
    best = max(options.peers, key=lambda name: statistics.median(speeds[name]), default=None)
    for name, goal in GOALS.items():
        if best and name in speeds:
            low, high = interval(speeds[name], speeds[best])
            ratio = statistics.median(a / b for a, b in zip(speeds[name], speeds[best]))
            verdict = "reached" if low >= goal else "MISSED"
            print(f"{name} / {best}: {ratio:.3f}, 95 % {low:.3f} to {high:.3f}; "
                  f"goal {goal}: {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/bin/training_bench")
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--steps", type=int, default=1,
                        help="whole ones a round; cheaper arms do more of theirs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16"],
                        help="of our arms")
    parser.add_argument("--arms", default="all", choices=["all", "full"])
    parser.add_argument("--device", default="cpu",
                        help="where all arms train: cpu, cuda:N, or fake, the host in the place"
                             " of a GPU")
    parser.add_argument("--weights", type=pathlib.Path,
                        help="a .safetensors file to take the peers' network from")
    parser.add_argument("--raw", type=pathlib.Path, help="where the raw figures go, as JSON")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    arms = arms_of(options)
    speeds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(options.rounds):
        for name, arm in arms.items():
            speeds[name].append(arm.round())
    for arm in arms.values():
        arm.close()
    report(options, arms, speeds)
    if options.raw:
        options.raw.write_text(json.dumps({"speeds": speeds}))


if __name__ == "__main__":
    main()

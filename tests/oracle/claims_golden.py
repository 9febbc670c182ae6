#!/usr/bin/env python3
"""The logits that claim A1 of tests/claims compares with.

Needs torchvision. Writes tests/golden/claims/torchvision.txt, or fails when it
would be another one:

    tests/oracle/claims_golden.py [--check]

Torchvision's networks with 10 classes and the weights of tools/weight_fill.py,
in float64, about the first digits of data/digits, each pixel drawn as 8x8 of
them. 17 digits: every bit.
"""
import gzip
import pathlib
import sys

import numpy as np
import torch
import torchvision

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import weight_fill  # noqa: E402

GOLDEN = ROOT / "tests" / "golden" / "claims" / "torchvision.txt"
NETWORKS = ("resnet18", "resnet50")
DIGITS = 4
ENLARGED = 8
# float64 sums differ by less between machines.
TOLERANCE = 1e-12


def pictures():
    """Normalised in float32, as torchvision does."""
    with gzip.open(ROOT / "data" / "digits" / "digits.csv.gz", "rt") as lines:
        rows = [next(lines).split(",")[:64] for _ in range(DIGITS)]
    transform = torchvision.transforms.Compose([
        torchvision.transforms.ToTensor(),
        torchvision.transforms.Normalize((0.5,) * 3, (0.25,) * 3)])
    batch = []
    for row in rows:
        ink = np.array(row, dtype=np.int64).reshape(8, 8)
        grey = ((ink * 255 + 8) // 16).astype(np.uint8)
        large = grey.repeat(ENLARGED, 0).repeat(ENLARGED, 1)
        batch.append(transform(np.stack([large] * 3, axis=2)))
    return torch.stack(batch).double()


@torch.inference_mode()
def logits(name):
    model = getattr(torchvision.models, name)(num_classes=10)
    model.load_state_dict({
        key: torch.zeros_like(tensor) if key.endswith("num_batches_tracked")
        else torch.from_numpy(weight_fill.fill(key, tuple(tensor.shape)))
        for key, tensor in model.state_dict().items()})
    return model.double().eval()(pictures()).numpy()


def main():
    made = {name: logits(name) for name in NETWORKS}
    if "--check" in sys.argv[1:]:
        known = [line.split() for line in GOLDEN.read_text().splitlines()
                 if not line.startswith("#")]
        worst = max(
            np.abs(np.array([float(v) for v in words[1:]]) - row).max()
            for words, (_, row) in zip(
                known,
                [(n, row) for n in NETWORKS for row in made[n]], strict=True))
        print(f"largest difference {worst:.1e}")
        return 0 if worst <= TOLERANCE else 1
    lines = ["# Written by tests/oracle/claims_golden.py: a network, its logits"
             " of one digit."]
    lines += [" ".join([name, *(repr(float(v)) for v in row)])
              for name in NETWORKS for row in made[name]]
    GOLDEN.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

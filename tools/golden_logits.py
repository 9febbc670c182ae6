#!/usr/bin/env python3
"""Writes (or checks) the golden logits of tests/golden/logits.

Torchvision's networks, and those of reference_networks.py, are filled by
weight_fill.py and asked about two pictures. The logits are computed in
float64, so that they are the truth for every float32 implementation.
"""

import argparse
import pathlib
import sys
import time
from collections.abc import Iterator, Mapping

import numpy as np
import torch
import torchvision

import reference_networks
import weight_fill

FOLDER = pathlib.Path(__file__).parents[1] / "tests/golden/logits"
PICTURES = 2
OWN = (
    "cifar_resnet8",
    "cifar_resnet20",
    "cifar_resnet20_v2",
    "resnet18_v2",
    "resnet50_v2",
)
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
# Of the scale; float64 sums differ by less than 1e-12 between machines, the
# text keeps 9 digits.
CHECK_TOLERANCE = 2e-8


def is_cifar(name: str) -> bool:
    return name.startswith("cifar_")


def filled(name: str) -> torch.nn.Module:
    """The network `name` with the formula's weights, in eval mode."""
    model = reference_networks.build(name, 10 if is_cifar(name) else 1000)
    state = {
        key: torch.zeros_like(tensor)
        if key.endswith(".num_batches_tracked")
        else torch.from_numpy(weight_fill.fill(key, tuple(tensor.shape)))
        for key, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model.eval()


def network_input(name: str) -> torch.Tensor:
    """Both pictures, normalised in float32 as torchvision does."""
    size = 32 if is_cifar(name) else 224
    transform = torchvision.transforms.Compose(
        [
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize(MEAN, STD),
        ]
    )
    return torch.stack(
        [transform(weight_fill.picture(n, size)) for n in range(PICTURES)]
    )


@torch.inference_mode()
def logits(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(float64, float32) logits of the pictures."""
    model, inputs = filled(name), network_input(name)
    in_float = model(inputs).numpy()
    in_double = model.double()(inputs.double()).numpy()
    return in_double, in_float


def describe(name: str, truth: np.ndarray, in_float: np.ndarray) -> str:
    scale = np.abs(truth).max()
    deviation = np.abs(truth - in_float).max() / scale
    return (
        f"scale {scale:.4g}, spread {truth.std(axis=1).min():.4g}, "
        f"float32 deviates by {deviation:.2g} of the scale"
    )


def library_versions() -> str:
    return f"torch {torch.__version__.split('+')[0]}"


def value_lines(rows: Mapping[int, np.ndarray]) -> Iterator[str]:
    """The logits of each picture, one a line."""
    for number, row in rows.items():
        yield f"picture {number}"
        yield from (f"{value:.9g}" for value in row)


def text_of(name: str, truth: np.ndarray) -> str:
    size = 32 if is_cifar(name) else 224
    source = (
        f"torchvision {torchvision.__version__.split('+')[0]}"
        if name in reference_networks.TORCHVISION
        else "tools/reference_networks.py"
    )
    lines = [
        f"# Logits of {name}, {truth.shape[1]} classes, input {size}x{size}.",
        f"# {source}, {library_versions()}, float64.",
        "# Weights, pictures and format: README.md in this folder.",
    ]
    lines.extend(value_lines(dict(enumerate(truth))))
    return "\n".join(lines) + "\n"


def read_golden(path: pathlib.Path) -> np.ndarray:
    rows: list[list[float]] = []
    for line in path.read_text().splitlines():
        if line.startswith("picture "):
            rows.append([])
        elif not line.startswith("#"):
            rows[-1].append(float(line))
    return np.array(rows)


def failures(names: list[str], check: bool) -> Iterator[str]:
    """Goes through `names`; yields what is wrong."""
    for name in names:
        started = time.monotonic()
        truth, in_float = logits(name)
        path = FOLDER / f"{name}.txt"
        if not np.isfinite(truth).all():
            yield f"{name}: a logit is not finite"
        elif not check:
            path.write_text(text_of(name, truth))
        else:
            golden = read_golden(path)
            same_shape = golden.shape == truth.shape
            limit = CHECK_TOLERANCE * np.abs(truth).max()
            if not same_shape or np.abs(golden - truth).max() > limit:
                yield f"{name}: {path.name} differs from what torch computes"
        seconds = time.monotonic() - started
        print(f"{name}: {describe(name, truth, in_float)} ({seconds:.1f} s)")


def main() -> int:
    known = list(reference_networks.TORCHVISION + OWN)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="ARCHITECTURE", help="default: all"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare with the committed files instead of writing them",
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(known)
    if unknown:
        parser.error(f"unknown {sorted(unknown)}; known: {', '.join(known)}")
    found = list(failures(arguments.names or known, arguments.check))
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

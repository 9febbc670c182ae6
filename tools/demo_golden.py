#!/usr/bin/env python3
"""Writes tests/golden/demo: logits of models/digits, computed by PyTorch."""

import copy
import pathlib

import numpy as np
import safetensors.torch
import torch

import digits
import golden_logits
import reference_networks

ROOT = pathlib.Path(__file__).parents[1]
WEIGHTS = ROOT / "models/digits/model.safetensors"
GOLDEN = ROOT / "tests/golden/demo/logits.txt"
GOLDEN_ROWS = 3
ARCHITECTURE = "cifar_resnet8"
SIDE = 32
# Those of ImageNet, as in the model's manifest.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def load() -> torch.nn.Module:
    """models/digits in eval mode."""
    model = reference_networks.build(ARCHITECTURE, digits.CLASSES)
    state = safetensors.torch.load_file(WEIGHTS)
    model.load_state_dict(state, strict=False)
    return model.eval()


def network_input(pictures: np.ndarray) -> torch.Tensor:
    """uint8 (n, side, side) -> float (n, 3, SIDE, SIDE), as the server does."""
    grey = torch.from_numpy(digits.resize(pictures, SIDE)).float() / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    return (grey[:, None] - mean) / std


@torch.inference_mode()
def main() -> None:
    """The float64 logits of the first held-out digits."""
    pictures, _ = digits.load()
    rows = digits.held_out_rows()[:GOLDEN_ROWS]
    inputs = network_input(pictures[rows]).double()
    logits = copy.deepcopy(load()).double()(inputs).numpy()
    lines = [
        "# Logits of models/digits for 8x8 digits of the held-out part.",
        f"# {golden_logits.library_versions()}, float64, written by "
        "tools/demo_golden.py.",
        "# picture N is line N of data/digits/digits.csv.gz, from 0.",
    ]
    lines.extend(
        golden_logits.value_lines(dict(zip(rows, logits, strict=True)))
    )
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Trains the demo model that ships in models/digits, and measures it.

A cifar_resnet8 on the handwritten digits of data/digits. Everything random
comes from one seed; the same machine and library versions give the same file.
The held-out digits are measured after the last step.
"""

import argparse
import copy
import pathlib
import time

import numpy as np
import torch
from torch.nn import functional

import digits
import golden_logits
import model_folder
import reference_networks

ROOT = pathlib.Path(__file__).parents[1]
GOLDEN = ROOT / "tests/golden/demo/logits.txt"
GOLDEN_ROWS = 3
ARCHITECTURE = "cifar_resnet8"
SIDE = 32
# Symmetric, so that dark ink on white is the negative of light ink on black.
MEAN = STD = 0.5
# Digits are drawn at this size before they are warped.
CANVAS = 64
BATCH = 64
PEAK_RATE = 0.01
WEIGHT_DECAY = 0.02
LABEL_SMOOTHING = 0.02
AVERAGE_DECAY = 0.98
DESCRIPTION = (
    "Handwritten digits, light on dark or dark on light. Trained on 1437 "
    "digits of the UCI data set Optical Recognition of Handwritten Digits."
)


def normalised(pictures: np.ndarray) -> torch.Tensor:
    """uint8 (n, side, side) -> float (n, SIDE, SIDE), as the server does."""
    resized = torch.from_numpy(digits.resize(pictures, SIDE))
    return (resized.float() / 255 - MEAN) / STD


def canvases(pictures: np.ndarray) -> torch.Tensor:
    """The digits enlarged smoothly, 0..1, (n, 1, CANVAS, CANVAS)."""
    values = torch.from_numpy(pictures).float()[:, None] / 255
    large = functional.interpolate(
        values, (CANVAS, CANVAS), mode="bicubic", align_corners=False
    )
    return large.clamp(0, 1)


def warped(large: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Digits as people photograph them: turned, moved, thick, thin, faint.

    0..1 in, float (n, SIDE, SIDE) as the network sees it out.
    """
    n = len(large)

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, generator=random)

    angle, shear = uniform(-0.2, 0.2), uniform(-0.15, 0.15)
    # From beyond the frame to half of it.
    shrunk, aspect = uniform(0.85, 2.2), uniform(0.85, 1.18)
    wide, high = shrunk * aspect, shrunk / aspect
    right, down = shrunk * uniform(-0.15, 0.15), shrunk * uniform(-0.15, 0.15)
    cos, sin = torch.cos(angle), torch.sin(angle)
    first = torch.stack([wide * cos, wide * (shear - sin), right])
    second = torch.stack([high * sin, high * cos, down])
    matrix = torch.stack([first, second]).permute(2, 0, 1)
    grid = functional.affine_grid(matrix, list(large.shape), False)
    ink = functional.grid_sample(large, grid, align_corners=False)[:, 0]

    # From the soft strokes of the data to crisp pen strokes.
    sharpness = torch.exp(uniform(0, 2.5))[:, None, None]
    threshold = uniform(0.3, 0.6)[:, None, None]
    crisp = torch.sigmoid((ink - threshold) * 4 * sharpness)
    mix = (torch.rand(n, generator=random) < 0.5).float()[:, None, None]
    ink = mix * ink + (1 - mix) * crisp

    background = uniform(0, 0.3)[:, None, None]
    contrast = uniform(0.5, 1)[:, None, None] * (1 - background)
    picture = (background + contrast * ink)[:, None]
    small = functional.interpolate(
        picture, (SIDE, SIDE), mode="bilinear", antialias=True
    )[:, 0]
    noise = torch.randn(small.shape, generator=random)
    return ((small + 0.02 * noise).clamp(0, 1) - MEAN) / STD


def batch_of(
    plain: torch.Tensor, large: torch.Tensor, random: torch.Generator
) -> torch.Tensor:
    """Half as they are, half warped; half of each dark on light. RGB."""
    n = len(plain)
    keep = (torch.rand(n, generator=random) < 0.5)[:, None, None]
    values = torch.where(keep, plain, warped(large, random))
    sign = (torch.rand(n, generator=random) < 0.5).float() * 2 - 1
    return (values * sign[:, None, None])[:, None].expand(n, 3, SIDE, SIDE)


def train(
    pictures: np.ndarray, classes: np.ndarray, epochs: int, seed: int
) -> torch.nn.Module:
    """The moving average of the weights after `epochs` epochs, eval mode."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    plain, large = normalised(pictures), canvases(pictures)
    targets = torch.from_numpy(classes)
    model = reference_networks.build(ARCHITECTURE, digits.CLASSES)
    average = torch.optim.swa_utils.AveragedModel(
        model,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE_DECAY),
        use_buffers=True,
    )
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
    steps = len(targets) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_RATE, total_steps=steps * epochs
    )
    for epoch in range(epochs):
        started, total = time.monotonic(), 0.0
        order = torch.randperm(len(targets), generator=random)
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            logits = model(batch_of(plain[rows], large[rows], random))
            loss = functional.cross_entropy(
                logits, targets[rows], label_smoothing=LABEL_SMOOTHING
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            total += loss.item()
        print(
            f"epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, "
            f"{time.monotonic() - started:.1f} s",
            flush=True,
        )
    # Counters are no matter of averages.
    counters = {
        name: buffer
        for name, buffer in model.named_buffers()
        if not buffer.is_floating_point()
    }
    average.module.load_state_dict(counters, strict=False)
    return average.module.eval()


def with_margin(pictures: np.ndarray, side: int) -> np.ndarray:
    """Digits enlarged to half of a picture of side x side, in its middle."""
    margin = side // 4
    half = digits.resize(pictures, side // 2)
    return np.pad(half, ((0, 0), (margin, margin), (margin, margin)))


def variants(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """The ways in which the held-out digits are shown to the model."""
    return {
        "held-out digits, 8x8": pictures,
        "held-out digits, 8x8, dark on light": 255 - pictures,
        "held-out digits, enlarged to 128x128": digits.resize(pictures, 128),
        "held-out digits, 64x64 amid 128x128": with_margin(pictures, 128),
    }


@torch.inference_mode()
def accuracy(
    model: torch.nn.Module, pictures: np.ndarray, classes: np.ndarray
) -> float:
    rgb = normalised(pictures)[:, None].expand(-1, 3, -1, -1)
    predicted = model(rgb).argmax(1).numpy()
    return float((predicted == classes).mean())


def evaluations(
    model: torch.nn.Module, pictures: np.ndarray, classes: np.ndarray
) -> list[dict[str, str | int | float]]:
    found: list[dict[str, str | int | float]] = []
    for name, shown in variants(pictures).items():
        value = accuracy(model, shown, classes)
        print(f"{name}: {value:.4%} of {len(classes)}")
        found.append(
            {"dataset": name, "examples": len(classes), "accuracy": value}
        )
    return found


def write(
    folder: pathlib.Path,
    model: torch.nn.Module,
    measured: list[dict[str, str | int | float]],
) -> None:
    digest = model_folder.write_weights(folder, model.state_dict())
    model_folder.write_labels(folder, [str(n) for n in range(digits.CLASSES)])
    model_folder.write_manifest(
        folder,
        {
            "name": "digits",
            "version": 1,
            "architecture": ARCHITECTURE,
            "num_classes": digits.CLASSES,
            "preprocess": {
                "resize": SIDE,
                "crop": SIDE,
                "mean": [MEAN] * 3,
                "std": [STD] * 3,
            },
            "weights_sha256": digest,
            "description": DESCRIPTION,
            "evaluations": measured,
        },
    )


@torch.inference_mode()
def write_golden(model: torch.nn.Module) -> None:
    """The float64 logits of the first held-out digits."""
    pictures, _ = digits.load()
    rows = digits.held_out_rows()[:GOLDEN_ROWS]
    rgb = normalised(pictures[rows])[:, None].expand(-1, 3, -1, -1)
    logits = copy.deepcopy(model).double()(rgb.double()).numpy()
    lines = [
        "# Logits of models/digits for 8x8 digits of the held-out part.",
        f"# {golden_logits.library_versions()}, float64, written by "
        "tools/train_demo.py.",
        "# picture N is line N of data/digits/digits.csv.gz, from 0.",
    ]
    lines.extend(
        golden_logits.value_lines(dict(zip(rows, logits, strict=True)))
    )
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--development",
        action="store_true",
        help="train on 4/5 of the training part, measure on the rest of it, "
        "write nothing: for trying out settings without the held-out digits",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=ROOT / "models/digits",
        metavar="FOLDER",
        help="default: models/digits",
    )
    arguments = parser.parse_args()
    # One thread: sums in one order on every machine.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train_x, train_y, test_x, test_y = digits.split()
    if arguments.development:
        test_x, test_y = train_x[::5], train_y[::5]
        keep = np.arange(len(train_y)) % 5 != 0
        train_x, train_y = train_x[keep], train_y[keep]
    model = train(train_x, train_y, arguments.epochs, arguments.seed)
    measured = evaluations(model, test_x, test_y)
    if not arguments.development:
        write(arguments.out, model, measured)
        write_golden(model)
        print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Draws the pictures of demo/ from held-out digits, and demo/expected.json.

Every digit in another size, format and look. A picture that the model of
models/digits does not recognise clearly is an error, never replaced silently:
choose another row then.
"""

import dataclasses
import io
import json
import pathlib
import sys

import numpy as np
import torch
from PIL import Image, ImageEnhance

import demo_golden
import digits

FOLDER = pathlib.Path(__file__).parents[1] / "demo"
CLEAR = 0.9


@dataclasses.dataclass(frozen=True)
class Look:
    """How one digit is shown."""

    row: int  # line of digits.csv, of the held-out part
    file: str
    side: int
    dark_on_light: bool = False
    crisp: bool = False


def draw(picture: np.ndarray, look: Look) -> Image.Image:
    """The 8x8 digit enlarged."""
    image = Image.fromarray(picture)
    image = image.resize((look.side, look.side), Image.Resampling.BICUBIC)
    if look.crisp:
        image = ImageEnhance.Contrast(image).enhance(3)
    if look.dark_on_light:
        image = Image.eval(image, lambda value: 255 - value)
    return image


def encode(image: Image.Image, suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".png":
        image.save(buffer, "PNG", optimize=True)
    elif suffix == ".jpg":
        image.convert("RGB").save(buffer, "JPEG", quality=90)
    else:
        image.convert("RGB").save(buffer, "WEBP", quality=90)
    return buffer.getvalue()


@torch.inference_mode()
def recognise(model: torch.nn.Module, encoded: bytes) -> tuple[int, float]:
    """(class, probability) of a picture file."""
    image = Image.open(io.BytesIO(encoded)).convert("L")
    inputs = demo_golden.network_input(np.asarray(image)[None])
    best = model(inputs).softmax(1)[0].max(0)
    return int(best.indices), float(best.values)


def looks(classes: np.ndarray) -> list[Look]:
    """One look for each digit: the first held-out row of its class.

    The second for 0, whose first is hardly read: a demo shows clear digits.
    """
    styles = (
        (".png", 128, False, False),
        (".jpg", 96, True, True),
        (".png", 64, True, False),
        (".png", 256, False, True),
        (".jpg", 200, False, False),
        (".webp", 160, True, False),
        (".png", 8, False, False),
        (".jpg", 256, True, True),
        (".webp", 224, False, True),
        (".png", 100, True, True),
    )
    found = []
    for digit, (suffix, side, dark, crisp) in enumerate(styles):
        rows = [r for r in digits.held_out_rows() if classes[r] == digit]
        row = rows[1] if digit == 0 else rows[0]
        name = f"digit-{digit}{suffix}"
        found.append(Look(int(row), name, side, dark, crisp))
    return found


def main() -> int:
    pictures, classes = digits.load()
    model = demo_golden.load()
    FOLDER.mkdir(exist_ok=True)
    expected, unclear = {}, []
    for look in looks(classes):
        path = FOLDER / look.file
        encoded = encode(draw(pictures[look.row], look), path.suffix)
        path.write_bytes(encoded)
        expected[look.file] = str(classes[look.row])
        found, probability = recognise(model, encoded)
        print(
            f"{look.file}: row {look.row}, {look.side}x{look.side}, "
            f"{len(encoded)} bytes: {found} with {probability:.1%}"
        )
        if found != classes[look.row] or probability < CLEAR:
            unclear.append(look.file)
    text = json.dumps(expected, indent=2) + "\n"
    (FOLDER / "expected.json").write_text(text)
    if unclear:
        print(f"not recognised clearly: {', '.join(unclear)}", file=sys.stderr)
    return 1 if unclear else 0


if __name__ == "__main__":
    sys.exit(main())

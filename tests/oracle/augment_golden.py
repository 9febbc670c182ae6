#!/usr/bin/env python3
"""The augmented pictures that tests/unit/image/augment_test.cc expects.

Needs torchvision. Writes tests/golden/image/augment.txt, or fails when it would
be another one:

    tests/oracle/augment_golden.py [--check]

A line is: width and height of the source, left, top, width and height of the
crop, side, flip, order of brightness (b), contrast (c) and saturation (s), the
three factors, and the beginning of the SHA-256 of the result. The source is
made of its size alone: see source().
"""
import hashlib
import pathlib
import random
import sys

import numpy as np
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

GOLDEN = (pathlib.Path(__file__).resolve().parents[1] / "golden" / "image"
          / "augment.txt")
STEPS = {"b": F.adjust_brightness, "c": F.adjust_contrast,
         "s": F.adjust_saturation}


def source(width, height):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3),
                          indexing="ij")
    values = (x * (3 + c) + y * (5 - c) + (x * y) // 7 + 40 * c
              + (x * 31 + y * 17 + c * 11) % 23)
    return Image.fromarray((values % 256).astype(np.uint8))


def augmented(image, box, side, flip, order, factors):
    left, top, width, height = box
    image = F.crop(image, top, left, height, width)
    # Columns first: what Pillow before 13.0 did for every picture, and the
    # server does.
    for size in ([height, side], [side, side]):
        image = F.resize(image, size, InterpolationMode.BILINEAR,
                         antialias=True)
    if flip:
        image = F.hflip(image)
    for step in order:
        image = STEPS[step](image, factors["bcs".index(step)])
    return np.asarray(image)


def cases():
    rng = random.Random(7)
    plain = [1.0, 1.0, 1.0]
    yield (61, 47), (0, 0, 61, 47), 32, 0, "bcs", plain
    yield (61, 47), (5, 9, 40, 30), 32, 0, "bcs", plain
    yield (61, 47), (5, 9, 32, 32), 32, 1, "bcs", plain
    yield (61, 47), (60, 46, 1, 1), 8, 0, "bcs", plain
    for step in range(3):
        for factor in (0.0, 0.3, 1.7, 2.0):
            factors = list(plain)
            factors[step] = factor
            yield (40, 40), (0, 0, 40, 40), 40, 0, "bcs", factors
    for _ in range(60):
        width, height = rng.randint(8, 150), rng.randint(8, 150)
        w, h = rng.randint(1, width), rng.randint(1, height)
        box = (rng.randint(0, width - w), rng.randint(0, height - h), w, h)
        order = "".join(rng.sample("bcs", 3))
        factors = [round(rng.uniform(0, 2), 4) for _ in range(3)]
        yield ((width, height), box, rng.choice([8, 31, 64]),
               rng.randint(0, 1), order, factors)


def lines():
    for size, box, side, flip, order, factors in cases():
        result = augmented(source(*size), box, side, flip, order, factors)
        digest = hashlib.sha256(result.tobytes()).hexdigest()[:16]
        yield " ".join(map(str, (*size, *box, side, flip, order, *factors,
                                 digest))) + "\n"


def main():
    text = "".join(lines())
    if sys.argv[1:] != ["--check"]:
        GOLDEN.write_text(text)
        return 0
    if text == GOLDEN.read_text():
        return 0
    print("torchvision makes other pictures than those of", GOLDEN)
    return 1


if __name__ == "__main__":
    sys.exit(main())

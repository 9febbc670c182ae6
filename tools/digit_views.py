"""Handwritten digits as people photograph them, drawn from data/digits.

Everything random follows from the seed, the digit and the view: the same
versions of numpy and Pillow give the same files.
"""

import pathlib

import numpy as np
from PIL import Image

import digits

# Digits are drawn at this size before they are warped, and shown at this one.
CANVAS = 64
SIDE = 32
# Views of one digit beside the two plain ones.
WARPED = 6
VIEWS = 2 + WARPED


def canvas(picture: np.ndarray) -> Image.Image:
    """A digit enlarged smoothly to CANVAS x CANVAS."""
    return Image.fromarray(picture).resize(
        (CANVAS, CANVAS), Image.Resampling.BICUBIC
    )


def warped(large: Image.Image, random: np.random.Generator) -> np.ndarray:
    """Turned, moved, thick, thin or faint: uint8 (SIDE, SIDE), light on dark."""
    angle, shear = random.uniform(-0.2, 0.2), random.uniform(-0.15, 0.15)
    # From beyond the frame to half of it.
    shrunk, aspect = random.uniform(0.85, 2.2), random.uniform(0.85, 1.18)
    wide, high = shrunk * aspect, shrunk / aspect
    right, down = shrunk * random.uniform(-0.15, 0.15, 2) * CANVAS / 2
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array(
        [[wide * cos, wide * (shear - sin)], [high * sin, high * cos]]
    )
    # Around the middle: Pillow wants the input's place of an output's pixel.
    middle = np.full(2, CANVAS / 2)
    move = middle - matrix @ middle + (right, down)
    image = large.transform(
        (CANVAS, CANVAS),
        Image.Transform.AFFINE,
        (*matrix[0], move[0], *matrix[1], move[1]),
        Image.Resampling.BILINEAR,
    )
    ink = np.asarray(image, dtype=np.float64) / 255
    # From the soft strokes of the data to crisp pen strokes.
    sharpness = np.exp(random.uniform(0, 2.5))
    threshold = random.uniform(0.3, 0.6)
    crisp = 1 / (1 + np.exp((threshold - ink) * 4 * sharpness))
    if random.uniform() < 0.5:
        ink = crisp
    background = random.uniform(0, 0.3)
    ink = background + random.uniform(0.5, 1) * (1 - background) * ink
    shown = Image.fromarray((ink * 255).round().astype(np.uint8)).resize(
        (SIDE, SIDE), Image.Resampling.BILINEAR
    )
    noise = random.normal(0, 0.02 * 255, (SIDE, SIDE))
    return (np.asarray(shown) + noise).round().clip(0, 255).astype(np.uint8)


def views(picture: np.ndarray, row: int, seed: int) -> list[np.ndarray]:
    """As it is and its negative, then WARPED views, half of them negatives."""
    found = [picture, 255 - picture]
    large = canvas(picture)
    for view in range(WARPED):
        random = np.random.Generator(
            np.random.Philox(key=[seed, row * WARPED + view])
        )
        shown = warped(large, random)
        found.append(shown if view % 2 == 0 else 255 - shown)
    return found


def save(picture: np.ndarray, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def with_margin(picture: np.ndarray, side: int) -> np.ndarray:
    """A digit enlarged to half of a picture of side x side, in its middle."""
    half = digits.resize(picture[None], side // 2)[0]
    return np.pad(half, side // 4)


def ways(picture: np.ndarray) -> dict[str, np.ndarray]:
    """The ways in which held-out digits are measured."""
    return {
        "held-out digits, 8x8": picture,
        "held-out digits, 8x8, dark on light": 255 - picture,
        "held-out digits, enlarged to 128x128": digits.resize(
            picture[None], 128
        )[0],
        "held-out digits, 64x64 amid 128x128": with_margin(picture, 128),
    }

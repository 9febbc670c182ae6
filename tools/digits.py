#!/usr/bin/env python3
"""The handwritten digits of data/digits: reading, splitting, rendering.

Run as a script it writes data/digits/held-out.txt again.
"""

import numpy as np
from PIL import Image

import digit_files
import weight_fill

HELD_OUT = digit_files.DATA / "held-out.txt"
# A fifth of each class, 20.0 % of the 1797 digits.
HELD_OUT_PER_CLASS = 36
CLASSES = 10


def load() -> tuple[np.ndarray, np.ndarray]:
    """(pictures uint8 (1797, 8, 8) of 0..255, classes int64)."""
    values, labels = zip(*digit_files.digits(), strict=True)
    ink = np.array(values, dtype=np.int64).reshape(-1, 8, 8)
    classes = np.array([int(label) for label in labels], dtype=np.int64)
    return ((ink * 255 + 8) // 16).astype(np.uint8), classes


def choose_held_out(classes: np.ndarray) -> np.ndarray:
    """Rows of the held-out part, ascending: 0 is the first line of the data.

    Of each class the 36 rows with the smallest h("held-out", row) of
    weight_fill: a split that no library version can change.
    """
    order = weight_fill.hashes("held-out", len(classes))
    chosen: list[int] = []
    for label in range(CLASSES):
        rows = np.flatnonzero(classes == label)
        chosen.extend(rows[np.argsort(order[rows])][:HELD_OUT_PER_CLASS])
    return np.sort(np.array(chosen, dtype=np.int64))


def held_out_rows() -> np.ndarray:
    """Rows of the held-out part as committed, ascending."""
    return np.array(sorted(digit_files.held_out()), dtype=np.int64)


def resize(pictures: np.ndarray, side: int) -> np.ndarray:
    """Square grey pictures at another size, by Pillow's bilinear filter.

    The same bytes as torchvision's Resize and as the server's preprocessing.
    """
    size = (side, side)
    return np.stack(
        [
            np.asarray(
                Image.fromarray(p).resize(size, Image.Resampling.BILINEAR)
            )
            for p in pictures
        ]
    )


def main() -> None:
    rows = choose_held_out(load()[1])
    HELD_OUT.write_text("".join(f"{row}\n" for row in rows))
    print(f"wrote {len(rows)} rows to {HELD_OUT}")


if __name__ == "__main__":
    main()

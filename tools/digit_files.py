#!/usr/bin/env python3
"""The handwritten digits of data/digits as folders of PNG files, one folder for
each class. Needs nothing but Python.

usage: digit_files.py FOLDER CLASSES (training|held-out) [PER_CLASS]
   e.g. digit_files.py photos 89 training
"""

from __future__ import annotations

import csv
import gzip
import pathlib
import struct
import sys
import zlib

DATA = pathlib.Path(__file__).resolve().parents[1] / "data" / "digits"
SIDE = 8


def png(rows: list[bytes], channels: int = 1) -> bytes:
    """A picture of one byte a channel: 1 for grey, 3 for red, green and blue."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (struct.pack(">I", len(body)) + kind + body
                + struct.pack(">I", zlib.crc32(kind + body)))

    colour = {1: 0, 3: 2}[channels]
    header = struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), 8, colour,
                         0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)
            + chunk(b"IEND", b""))


def digit(values: list[int], scale: int = 1) -> bytes:
    """A digit of 64 values from 0 (paper) to 16 (ink), light on dark, larger by
    `scale`."""
    rows = []
    for y in range(SIDE):
        row = bytes((values[y * SIDE + x] * 255 + 8) // 16
                    for x in range(SIDE) for _ in range(scale))
        rows += [row] * scale
    return png(rows)


def digits() -> list[tuple[list[int], str]]:
    """All 1797 with their classes."""
    with gzip.open(DATA / "digits.csv.gz", "rt", encoding="ascii") as file:
        rows = [[int(value) for value in row] for row in csv.reader(file)]
    return [(row[:-1], str(row[-1])) for row in rows]


def held_out() -> set[int]:
    """Numbers of those that no training looks at."""
    return {int(row) for row in (DATA / "held-out.txt").read_text().split()}


def write(folder: pathlib.Path, classes: str, part: str, per_class: int) -> int:
    """Writes the first `per_class` digits of each class; returns how many."""
    kept_back, written = held_out(), {label: 0 for label in classes}
    for number, (values, label) in enumerate(digits()):
        if ((number in kept_back) != (part == "held-out")
                or written.get(label, per_class) >= per_class):
            continue
        path = folder / label / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(digit(values))
        written[label] += 1
    return sum(written.values())


def main() -> None:
    if len(sys.argv) not in (4, 5) or sys.argv[3] not in ("training", "held-out"):
        sys.exit(__doc__)
    per_class = int(sys.argv[4]) if len(sys.argv) == 5 else sys.maxsize
    count = write(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], per_class)
    print(f"{count} digits in {sys.argv[1]}")


if __name__ == "__main__":
    main()

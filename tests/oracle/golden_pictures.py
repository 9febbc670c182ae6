#!/usr/bin/env python3
"""The golden pictures of server/models/golden.h from their description alone.

Prints the beginnings of the SHA-256 of their bytes for one side, which
tests/unit/models/golden_test.cc expects.

    tests/oracle/golden_pictures.py [SIDE]
"""
import hashlib
import sys

MASK = (1 << 64) - 1


def fnv1a64(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def fill_picture(side, number):
    seed = fnv1a64(f"picture{number}")
    return bytes(mix((seed + (i + 1) * 0x9E3779B97F4A7C15) & MASK) >> 56
                 for i in range(side * side * 3))


def patches(side):
    small = fill_picture(8, 1)
    patch = -(-side // 8)
    cells = ((y // patch) * 8 + x // patch
             for y in range(side) for x in range(side))
    return b"".join(small[3 * cell:3 * cell + 3] for cell in cells)


def ramps(side):
    last = side - 1
    return bytes(value for y in range(side) for x in range(side)
                 for value in (255 * x // last, 255 * y // last,
                               255 * (x + y) // (2 * last)))


def main():
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 33
    for picture in (fill_picture(side, 0), patches(side), ramps(side)):
        print(hashlib.sha256(picture).hexdigest()[:16])


if __name__ == "__main__":
    main()

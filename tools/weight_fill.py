"""Weights and pictures made by a formula instead of stored.

The formula is documented in tests/golden/logits/README.md; its C++ twin is
server/models/weight_fill.h. Both sides make the same bits, so that golden
logits need no weight files beside them.
"""

import numpy as np

MASK = (1 << 64) - 1
FNV_OFFSET = 0xCBF29CE484222325
FNV_PRIME = 0x100000001B3
GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)


def fnv1a64(text: str) -> int:
    """FNV-1a of the UTF-8 bytes."""
    value = FNV_OFFSET
    for byte in text.encode():
        value = ((value ^ byte) * FNV_PRIME) & MASK
    return value


def hashes(name: str, count: int) -> np.ndarray:
    """h(name, i) for i in 0..count-1, as uint64."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * GOLDEN_GAMMA
        z += np.uint64(fnv1a64(name))
        z = (z ^ (z >> np.uint64(30))) * MIX_1
        z = (z ^ (z >> np.uint64(27))) * MIX_2
        return z ^ (z >> np.uint64(31))


def uniform(name: str, count: int) -> np.ndarray:
    """f(name, i): multiples of 2^-23 in [-1, 1), exact in float32."""
    top = (hashes(name, count) >> np.uint64(40)).astype(np.float32)
    return top * np.float32(2.0**-23) - np.float32(1)


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The float32 values of the tensor called `name`."""
    f = uniform(name, int(np.prod(shape)))
    if len(shape) == 4:
        fan_in = shape[1] * shape[2] * shape[3]
        values = f * np.float32(np.sqrt(6.0 / fan_in))
    elif len(shape) == 2:
        values = f * np.float32(np.sqrt(1.0 / shape[1]))
    elif name.endswith(".weight"):
        values = np.float32(0.625) + np.float32(0.25) * f
    elif name.endswith((".bias", ".running_mean")):
        values = np.float32(0.1) * f
    elif name.endswith(".running_var"):
        values = np.float32(1) + np.float32(0.5) * f
    else:
        raise ValueError(f"no formula for {name} of shape {shape}")
    return values.reshape(shape)


def picture(number: int, size: int) -> np.ndarray:
    """Picture `number`: uint8 RGB of shape (size, size, 3)."""
    values = hashes(f"picture{number}", size * size * 3) >> np.uint64(56)
    return values.astype(np.uint8).reshape(size, size, 3)

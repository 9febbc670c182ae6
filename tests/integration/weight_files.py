"""Weights for tests: files that differ from the demo model's in known ways."""

from __future__ import annotations

import hashlib
import json
import pathlib
import struct

from harness import DEMO_MODEL

# What resnetctl models import needs to know of the demo model's pictures.
PREPROCESS = ("--resize", "32", "--crop", "32", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")


def variant(path: pathlib.Path, number: int) -> pathlib.Path:
    """Writes the demo model's weights to `path`, the logit of class 0 higher by `number`."""
    data = bytearray((DEMO_MODEL / "model.safetensors").read_bytes())
    header_size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + header_size])
    bias = header["fc.bias"]
    assert bias["dtype"] == "F32", bias
    at = 8 + header_size + bias["data_offsets"][0]
    struct.pack_into("<f", data, at, struct.unpack_from("<f", data, at)[0] + number)
    path.write_bytes(data)
    return path


def digest(path: pathlib.Path) -> str:
    """SHA-256 of a file, as the server tells it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

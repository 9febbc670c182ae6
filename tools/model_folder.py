"""Writes a model folder as `resnetd --model` reads it."""

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

FORMAT = "resnetd-model/1"
WEIGHTS = "model.safetensors"


def write_weights(folder: pathlib.Path, state: Mapping[str, Any]) -> str:
    """Writes the weights; returns their SHA-256."""
    # Here alone: manifests are written where there is no PyTorch too.
    import safetensors.torch
    import torch

    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor)
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS
    safetensors.torch.save_file(tensors, path)
    # The library lets only its user read the file; the server has its own.
    path.chmod(0o644)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_labels(folder: pathlib.Path, labels: Sequence[str]) -> None:
    text = "".join(f"{label}\n" for label in labels)
    (folder / "labels.txt").write_text(text, encoding="utf-8")


def shortest(value: object) -> object:
    """Whole numbers without a fraction: 1, not 1.0."""
    if isinstance(value, Mapping):
        return {key: shortest(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortest(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def inline(value: object) -> str:
    return json.dumps(shortest(value), ensure_ascii=False)


def member_text(value: object) -> str:
    """Objects one member a line, arrays of objects one object a line."""
    if isinstance(value, Mapping):
        lines = [
            f"{inline(key)}: {inline(item)}" for key, item in value.items()
        ]
        return "{\n    " + ",\n    ".join(lines) + "\n  }"
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "[\n    " + ",\n    ".join(map(inline, value)) + "\n  ]"
    return inline(value)


def write_manifest(folder: pathlib.Path, members: Mapping[str, Any]) -> None:
    """`members` in the order of server/models/manifest.h, without format.

    The canonical text: what FormatManifest of the server would write.
    """
    full = {"format": FORMAT, **members}
    lines = [f"  {inline(k)}: {member_text(v)}" for k, v in full.items() if v]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")

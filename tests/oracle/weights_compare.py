#!/usr/bin/env python3
"""Compares the readers and the writer of weights with PyTorch and safetensors.

    PYTHON tests/oracle/weights_compare.py build/dev/bin/weights_tool

PYTHON has torch, torchvision and safetensors; ctest takes the one that
RESNETD_ORACLE_PYTHON names, or /opt/oracle/venv/bin/python. The short form
compares small networks; with RESNETD_TEST_LONG=1 also resnet18 and resnet50,
filled by tools/weight_fill.py like the networks of the golden logits.
"""
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import golden_logits  # noqa: E402  (needs the path)

TYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16",
         torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32",
         torch.uint8: "U8", torch.bool: "BOOL"}


def bytes_of(tensor):
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def line_of(name, tensor):
    shape = ", ".join(str(size) for size in tensor.shape)
    digest = hashlib.sha256(bytes_of(tensor)).hexdigest()
    return f"{name} {TYPES[tensor.dtype]} [{shape}] {digest}"


def run(*words):
    return subprocess.run(words, check=True, capture_output=True,
                          text=True).stdout


def compare(tool, folder, name, state, saved):
    """`state` are the tensors in what torch.save writes of `saved`."""
    pth, reference = folder / f"{name}.pth", folder / f"{name}.safetensors"
    torch.save(saved, pth)
    plain = {key: tensor.detach().contiguous().clone()
             for key, tensor in state.items()}
    save_file(plain, reference)
    expected = [line_of(key, tensor) for key, tensor in state.items()]
    assert run(tool, "dump", pth).splitlines() == ["pth", *expected], name
    found = run(tool, "dump", reference).splitlines()
    assert found[0] == "safetensors" and sorted(found[1:]) == sorted(expected)
    written = folder / f"{name}.written"
    for source in (pth, reference):
        run(tool, "convert", source, written)
        assert written.read_bytes() == reference.read_bytes(), name
        written.unlink()
    print(f"{name}: {len(expected)} tensors, "
          f"{reference.stat().st_size} bytes are equal")


def every_type():
    torch.manual_seed(3)
    bits = torch.randint(0, 256, (24, 8), dtype=torch.uint8)
    state = {str(number): bits.view(dtype).clone()[number:].t()
             for number, dtype in enumerate(TYPES) if dtype != torch.bool}
    return {**state, "bool": torch.tensor([True, False]),
            "scalar": torch.tensor(2.5), "none": torch.zeros(0, 3),
            "\u00e9 \"\\\t\x01": torch.ones(2, 1, 2)}


def main():
    tool = sys.argv[1]
    long = os.environ.get("RESNETD_TEST_LONG") == "1"
    names = ["cifar_resnet8", "cifar_resnet20_v2"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        compare(tool, folder, "every_type", every_type(), every_type())
        for network in names + (["resnet18", "resnet50"] if long else []):
            model = golden_logits.filled(network)
            state = model.state_dict()
            compare(tool, folder, network, state, state)
            channels_last = model.to(memory_format=torch.channels_last)
            compare(tool, folder, f"{network}_channels_last", state,
                    {"state_dict": channels_last.state_dict(), "epoch": 1})
            classes = state["fc.weight"].shape[0]
            found = run(tool, "recognise", folder / f"{network}.pth")
            assert found == f"{network} {classes}\n", found
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A ResNet in plain torch with the weights of a .safetensors file, where there is nothing but
torch: widths and blocks are those of the tensors' names and shapes, strides those of
server/models/architecture.h.
"""

from __future__ import annotations

import json
import pathlib

import torch
from torch import nn
from torch.nn import functional

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
Tensors = dict[str, torch.Tensor]


def read(path: pathlib.Path) -> Tensors:
    """Everything but the counters of batch norm."""
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    tensors: Tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__" or entry["dtype"] not in TYPES:
            continue
        begin, end = entry["data_offsets"]
        # A copy, since the bytes of the file are not aligned.
        values = torch.frombuffer(bytearray(data[start + begin:start + end]),
                                  dtype=TYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def _convolution(tensors: Tensors, name: str, channels: int, stride: int) -> nn.Conv2d:
    out, of_group, kernel, _ = tensors[f"{name}.weight"].shape
    return nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2,
                     groups=channels // of_group, bias=False)


class Block(nn.Module):
    """Two or three convolutions around which a shortcut leads."""

    def __init__(self, tensors: Tensors, name: str, channels: int, stride: int) -> None:
        super().__init__()
        self.convolutions = 3 if f"{name}.conv3.weight" in tensors else 2
        # The 3x3 one strides; of two the first.
        strided = self.convolutions - 1
        width = channels
        for number in range(1, self.convolutions + 1):
            made = _convolution(tensors, f"{name}.conv{number}", width,
                                stride if number == strided else 1)
            width = made.out_channels
            self.add_module(f"conv{number}", made)
            self.add_module(f"bn{number}", nn.BatchNorm2d(width))
        self.channels = width
        self.downsample = None
        if f"{name}.downsample.0.weight" in tensors:
            self.downsample = nn.Sequential(
                _convolution(tensors, f"{name}.downsample.0", channels, stride),
                nn.BatchNorm2d(width))

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        shortcut = shown if self.downsample is None else self.downsample(shown)
        main = shown
        for number in range(1, self.convolutions + 1):
            main = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(main))
            if number < self.convolutions:
                main = functional.relu(main, inplace=True)
        main += shortcut
        return functional.relu(main, inplace=True)


class ResNet(nn.Module):
    """Pictures to logits."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        kernel = tensors["conv1.weight"].shape[2]
        self.pools = kernel == 7
        self.conv1 = _convolution(tensors, "conv1", 3, 2 if self.pools else 1)
        self.bn1 = nn.BatchNorm2d(self.conv1.out_channels)
        channels = self.conv1.out_channels
        self.stages: list[str] = []
        while f"layer{len(self.stages) + 1}.0.conv1.weight" in tensors:
            name = f"layer{len(self.stages) + 1}"
            blocks = nn.Sequential()
            while f"{name}.{len(blocks)}.conv1.weight" in tensors:
                stride = 2 if self.stages and not len(blocks) else 1
                block = Block(tensors, f"{name}.{len(blocks)}", channels, stride)
                channels = block.channels
                blocks.append(block)
            self.stages.append(name)
            self.add_module(name, blocks)
        classes, features = tensors["fc.weight"].shape
        self.fc = nn.Linear(features, classes)

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        shown = functional.relu(self.bn1(self.conv1(shown)), inplace=True)
        if self.pools:
            shown = functional.max_pool2d(shown, 3, 2, 1)
        for name in self.stages:
            shown = getattr(self, name)(shown)
        return self.fc(functional.adaptive_avg_pool2d(shown, 1).flatten(1))


def load(path: pathlib.Path) -> ResNet:
    """The network whose weights these are; in float32, on the CPU."""
    tensors = read(path)
    network = ResNet(tensors)
    wrong = network.load_state_dict(tensors, strict=False)
    missing = [name for name in wrong.missing_keys if not name.endswith("num_batches_tracked")]
    if missing or wrong.unexpected_keys:
        raise ValueError(f"{path} is no ResNet of the first kind: it lacks {missing},"
                         f" and has {wrong.unexpected_keys} too")
    return network

"""The networks that torchvision does not have, written out in PyTorch.

An implementation of its own of server/models/architecture.h, as the oracle of
the C++ ones: CIFAR-style networks and pre-activation (v2) blocks, with the
tensor names of torchvision.
"""

import dataclasses
import re

import torch
import torchvision
from torch import nn
from torch.nn import functional

TORCHVISION = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
)
BASIC = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
BOTTLENECK = {
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}


@dataclasses.dataclass(frozen=True)
class Shape:
    """What the numbers of one network are."""

    stages: tuple[int, ...]
    bottleneck: bool = False
    pre_activation: bool = False
    cifar: bool = False
    base_planes: int = 64
    classes: int = 1000


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, bias=False
    )


class Block(nn.Module):
    """A residual block of two (basic) or three (bottleneck) convolutions."""

    def __init__(
        self, inputs: int, planes: int, stride: int, shape: Shape
    ) -> None:
        super().__init__()
        self.pre_activation = shape.pre_activation
        outputs = planes * (4 if shape.bottleneck else 1)
        if shape.bottleneck:
            self.conv1 = conv(inputs, planes, 1)
            self.conv2 = conv(planes, planes, 3, stride)
            self.conv3 = conv(planes, outputs, 1)
        else:
            self.conv1 = conv(inputs, planes, 3, stride)
            self.conv2 = conv(planes, outputs, 3)
        self.units = 3 if shape.bottleneck else 2
        for index in range(1, self.units + 1):
            layer = getattr(self, f"conv{index}")
            channels = (
                layer.in_channels if self.pre_activation else layer.out_channels
            )
            setattr(self, f"bn{index}", nn.BatchNorm2d(channels))
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride))
            if not self.pre_activation:
                self.downsample.append(nn.BatchNorm2d(outputs))

    def unit(self, index: int) -> tuple[nn.Module, nn.Module]:
        return getattr(self, f"conv{index}"), getattr(self, f"bn{index}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_v2(x) if self.pre_activation else self.forward_v1(x)

    def forward_v1(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        for index in range(1, self.units + 1):
            convolution, norm = self.unit(index)
            x = norm(convolution(x))
            if index < self.units:
                x = functional.relu(x)
        return functional.relu(x + shortcut)

    def forward_v2(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x
        for index in range(1, self.units + 1):
            convolution, norm = self.unit(index)
            x = functional.relu(norm(x))
            if index == 1 and hasattr(self, "downsample"):
                shortcut = self.downsample(x)
            x = convolution(x)
        return x + shortcut


class ResidualNetwork(nn.Module):
    """Stem, stages of blocks, global average, linear head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        inputs = shape.base_planes
        self.conv1 = (
            conv(3, inputs, 3) if shape.cifar else conv(3, inputs, 7, 2)
        )
        if not shape.pre_activation:
            self.bn1 = nn.BatchNorm2d(inputs)
        for stage, blocks in enumerate(shape.stages):
            planes = shape.base_planes << stage
            layer = nn.Sequential()
            for index in range(blocks):
                stride = 2 if index == 0 and stage > 0 else 1
                layer.append(Block(inputs, planes, stride, shape))
                inputs = planes * (4 if shape.bottleneck else 1)
            setattr(self, f"layer{stage + 1}", layer)
        if shape.pre_activation:
            self.bn_last = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, shape.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        if not self.shape.pre_activation:
            x = functional.relu(self.bn1(x))
        if not self.shape.cifar:
            x = functional.max_pool2d(x, 3, 2, 1)
        for stage in range(len(self.shape.stages)):
            x = getattr(self, f"layer{stage + 1}")(x)
        if self.shape.pre_activation:
            x = functional.relu(self.bn_last(x))
        return self.fc(x.mean((2, 3)))


def own_shape(name: str, classes: int) -> Shape:
    """The shape of a network of this file; ValueError when unknown."""
    base = name.removesuffix("_v2")
    v2 = base != name
    depth = re.fullmatch(r"cifar_resnet(\d+)", base)
    if depth and (int(depth[1]) - 2) % 6 == 0 and int(depth[1]) >= 8:
        blocks = (int(depth[1]) - 2) // 6
        return Shape((blocks,) * 3, False, v2, True, 16, classes)
    if base in BASIC | BOTTLENECK:
        stages = (BASIC | BOTTLENECK)[base]
        return Shape(stages, base in BOTTLENECK, v2, False, 64, classes)
    raise ValueError(
        f"unknown architecture {name}; known: {', '.join(TORCHVISION)}, "
        "resnet18 to resnet152 with _v2, cifar_resnet<6n+2>, "
        "cifar_resnet<6n+2>_v2"
    )


def check_name(name: str) -> None:
    """ValueError, with the known names, unless build() knows `name`."""
    if name not in TORCHVISION:
        own_shape(name, 1)


def build(name: str, classes: int) -> nn.Module:
    """The network called `name`, torchvision's own where it has one."""
    if name in TORCHVISION:
        return getattr(torchvision.models, name)(
            weights=None, num_classes=classes
        )
    return ResidualNetwork(own_shape(name, classes))

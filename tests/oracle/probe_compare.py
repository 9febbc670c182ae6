#!/usr/bin/env python3
"""Compares what a probe of gradients shows with PyTorch's own autograd.

    RESNETD_BIN_DIR=build/dev/bin PYTHON tests/oracle/probe_compare.py

PYTHON has torch and torchvision. A resnet18 with random weights is imported into
a real server, which probes it on a few pictures; the same pictures go through
torchvision's network in double precision, with hooks of Python's.
"""
import json
import pathlib
import sys
import tempfile

import torch
import torchvision
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import logits_compare  # noqa: E402
from harness import Server  # noqa: E402

LABELS = ("3", "3", "700")
# Small, so that it is quick.
RESIZE, CROP = 72, 64
# Both are double precision, and the weights float32.
TOLERANCE = 1e-9


class Watched(torch.nn.Module):
    """A block of torchvision whose two paths read views of their own."""

    def __init__(self, block):
        super().__init__()
        self.block = block
        self.keeps = {"main", "shortcut"}
        self.seen = {}

    def watch(self, name, tensor):
        self.seen[name] = None
        if tensor.requires_grad:
            tensor.register_hook(lambda gradient: self.seen.update({name: gradient}))
        return tensor

    def forward(self, x):
        self.watch("input", x)
        main, shortcut = (
            self.watch(name, x.view_as(x) if name in self.keeps else x.detach())
            for name in ("main", "shortcut"))
        block = self.block
        main = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(main)))))
        if block.downsample is not None:
            shortcut = block.downsample(shortcut)
        return torch.relu(self.watch("sum", main + shortcut))


def watched(model):
    blocks = []
    for name in ("layer1", "layer2", "layer3", "layer4"):
        layer = getattr(model, name)
        for place, block in enumerate(layer):
            layer[place] = Watched(block)
            blocks.append((f"{name}.{place:02}", layer[place]))
    return blocks


def pictures(folder):
    pipeline = torchvision.transforms.Compose([
        torchvision.transforms.Resize(RESIZE), torchvision.transforms.CenterCrop(CROP),
        torchvision.transforms.ToTensor()])
    # Single precision until the network begins.
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    batch = []
    for number, label in enumerate(LABELS):
        path = folder / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = logits_compare.picture(path).rotate(90 * number, expand=True)
        image.save(path)
        levels = (pipeline(Image.open(path)) * 255).round()
        batch.append(((levels / 255 - mean) / std).double())
    return torch.stack(batch)


def backward(model, batch, parameters=None):
    """The loss, and the gradients of `parameters` as one vector."""
    loss = torch.nn.functional.cross_entropy(
        model(batch), torch.tensor([int(label) for label in LABELS]))
    gradients = torch.autograd.grad(
        loss, parameters or [model.conv1.weight], allow_unused=True)
    return loss.item(), torch.cat([gradient.flatten() for gradient in gradients
                                   if gradient is not None])


def before(model, block):
    """The parameters in front of a block."""
    inside = {id(parameter) for parameter in block.parameters()}
    found = []
    for parameter in model.parameters():
        if id(parameter) in inside:
            return found
        found.append(parameter)
    raise AssertionError("no such block")


def close(found, wanted, what):
    difference = abs(found - wanted) / abs(wanted)
    assert difference < TOLERANCE, (what, found, wanted, difference)
    return difference


def compare(report, model, batch):
    """The largest relative difference of all numbers."""
    blocks = watched(model)
    loss, _ = backward(model, batch)
    worst = close(report["loss"], loss, "loss")
    whole = blocks[0][1].seen["input"]
    assert len(report["blocks"]) == len(blocks) == 8
    for found, (name, block) in zip(report["blocks"], blocks, strict=True):
        assert found["name"] == name
        seen = block.seen
        for path in ("main", "shortcut", "input", "sum"):
            worst = max(worst, close(found["paths"][path], seen[path].norm().item(),
                                     (name, path)))
        product = (seen["main"] * seen["shortcut"]).sum() / (
            seen["main"].norm() * seen["shortcut"].norm())
        assert abs(found["paths"]["cosine"] - product.item()) < TOLERANCE, name
    for found, (name, block) in zip(report["blocks"], blocks, strict=True):
        for path in ("main", "shortcut"):
            block.keeps = {path}
            _, gradient = backward(model, batch, before(model, block))
            worst = max(worst, close(found["parameters"][f"by_{path}"],
                                     gradient.norm().item(), (name, "by", path)))
        block.keeps = {"main", "shortcut"}
    for _, block in blocks:
        block.keeps = {"shortcut"}
    backward(model, batch)
    direct = blocks[0][1].seen["shortcut"].norm() / whole.norm()
    return max(worst, close(report["paths"]["direct_share"], direct.item(), "direct"))


def main():
    with tempfile.TemporaryDirectory(prefix="resnetd-test-") as name:
        folder = pathlib.Path(name)
        model = logits_compare.network("resnet18")
        torch.save(model.state_dict(), folder / "net.pth")
        batch = pictures(folder / "pictures")
        with Server("--data-dir", folder / "store", "--training-gives-way=false") as server:
            done = server.ctl("models", "import", folder / "net.pth", "--name", "net",
                              "--resize", RESIZE, "--crop", CROP)
            assert done.returncode == 0, done.stderr
            done = server.ctl("gradients", "probe", "net", "--data", folder / "pictures",
                              "--split", "--path-passes", "9", "-o", "json")
            assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)["report"]
        worst = compare(report, model.double(), batch)
        print(f"resnet18, {report['examples']} pictures: largest relative difference "
              f"of norms {worst:.1e}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares what an imported torchvision network answers with torchvision itself.

    RESNETD_BIN_DIR=build/dev/bin PYTHON tests/oracle/logits_compare.py

PYTHON has torch and torchvision. The state dict of a network with random
weights is saved by torch.save, imported into a real server with a data
directory, and asked about a picture: the logits, and the features before the last
layer, must be those of torchvision.
resnet18; with RESNETD_TEST_LONG=1 also resnet50.
"""
import json
import os
import pathlib
import sys
import tempfile

import numpy
import torch
import torchvision
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import Server  # noqa: E402
from http2 import ask, field, fields  # noqa: E402

# Of logits that spread over several units: the engine fuses and folds.
TOLERANCE = 2e-4


def network(name):
    """A network whose batch norms have statistics that matter."""
    torch.manual_seed(1)
    made = getattr(torchvision.models, name)(weights=None)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return made.eval()


def picture(path):
    """A picture with something on every scale, 300 x 260."""
    rows, columns = numpy.mgrid[0:260, 0:300]
    planes = [127 + 120 * numpy.sin(rows / scale + columns / (scale + 3))
              for scale in (3, 11, 40)]
    image = Image.fromarray(numpy.stack(planes, axis=2).astype(numpy.uint8))
    image.save(path)
    return image


def embed(port, name, path):
    """The embedding of one picture, by the wire."""
    request = field(1, name.encode()) + field(2, field(1, path.read_bytes()))
    (_, result), *_ = fields(ask(port, "Embed", request))
    (_, embedding), = fields(result)
    (_, values), = fields(embedding)
    return numpy.frombuffer(values, numpy.dtype("<f4"))


def compare(name, folder):
    model = network(name)
    weights = folder / f"{name}.pth"
    torch.save(model.state_dict(), weights)
    image = picture(folder / "picture.png")
    pipeline = torchvision.transforms.Compose([
        torchvision.transforms.Resize(256), torchvision.transforms.CenterCrop(224),
        torchvision.transforms.ToTensor(),
        torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    body = torch.nn.Sequential(*list(model.children())[:-1])
    with torch.no_grad():
        wanted = model(pipeline(image)[None])[0].numpy()
        features = body(pipeline(image)[None]).flatten().numpy()
    with Server("--data-dir", folder / f"store-{name}") as server:
        done = server.ctl("models", "import", weights, "--name", name)
        assert done.returncode == 0, done.stderr
        done = server.ctl("classify", folder / "picture.png", "--model", name,
                          "--logits", "-o", "json")
        assert done.returncode == 0, done.stderr
        embedding = embed(server.grpc_port, name, folder / "picture.png")
    error = float(numpy.abs(embedding - features).max() / numpy.abs(features).max())
    print(f"{name}: {len(features)} features, largest difference {error:.2e} of the largest")
    assert embedding.shape == features.shape, embedding.shape
    assert error < TOLERANCE, (name, error)
    found = numpy.array(json.loads(done.stdout)["images"][0]["logits"])
    difference = float(numpy.abs(found - wanted).max())
    spread = float(wanted.max() - wanted.min())
    print(f"{name}: largest difference of logits {difference:.2e}, "
          f"which spread over {spread:.2f}")
    assert spread > 1, "a network that says nothing proves nothing"
    assert difference < TOLERANCE * spread, (name, difference, spread)


def main():
    names = ["resnet18"]
    if os.environ.get("RESNETD_TEST_LONG"):
        names.append("resnet50")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            compare(name, pathlib.Path(folder))


if __name__ == "__main__":
    main()

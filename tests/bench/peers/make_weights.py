"""Makes the weights that every server serves, and what each must answer.

make_weights.py FOLDER PICTURE: FOLDER/resnet50.pth, a state dict of torchvision's
ResNet-50 with weights drawn from a seed and statistics of batch norm measured on the
picture, FOLDER/labels.txt and FOLDER/expected.json with the best class.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys

import torch
import torchvision

folder, picture = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
os.environ["PEER_WEIGHTS"] = str(folder / "resnet50.pth")
os.environ.setdefault("PEER_THREADS", "1")

import network  # noqa: E402

torch.manual_seed(1)
made = torchvision.models.resnet50(weights=None)
for module in made.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.momentum = None
decoded = network.decode(picture.read_bytes())
turned = torch.stack([decoded, decoded.flip(2), decoded.flip(1), decoded.flip(1, 2)])
with torch.no_grad():
    made.train()(turned)
torch.save(made.state_dict(), folder / "resnet50.pth")
(folder / "labels.txt").write_text("".join(f"class {i}\n" for i in range(1000)))
best = network.classify(network.load(), [decoded])[0][0]
(folder / "expected.json").write_text(json.dumps(best))

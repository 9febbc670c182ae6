"""Makes the weights that every server serves, and what each must answer.

make_weights.py FOLDER PICTURE OTHER: FOLDER/resnet50.pth, a state dict of torchvision's
ResNet-50 with weights drawn from a seed, statistics of batch norm measured on PICTURE and a
last layer that tells parts of PICTURE (class 0) from parts of OTHER (class 1), so that
answers are as far from each other as those of a trained network; FOLDER/pictures with
these parts, FOLDER/labels.txt and FOLDER/expected.json with the best class of PICTURE.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import sys

import torch
import torchvision
from PIL import Image

folder = pathlib.Path(sys.argv[1])
os.environ["PEER_WEIGHTS"] = str(folder / "resnet50.pth")
os.environ.setdefault("PEER_THREADS", "1")

import network  # noqa: E402

# Logits of a trained network's best class are some 10 above those of the rest.
MARGIN = 10.0


def parts(path: pathlib.Path) -> list[bytes]:
    """Forty, as a server wants eighty in all: the corners at ten sizes."""
    picture = Image.open(path).convert("RGB")
    made = []
    for share in (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5):
        width, height = (int(side * share) for side in picture.size)
        for x in (0, picture.width - width):
            for y in (0, picture.height - height):
                part = io.BytesIO()
                picture.crop((x, y, x + width, y + height)).save(part, "JPEG", quality=92)
                made.append(part.getvalue())
    return made


torch.manual_seed(1)
made = torchvision.models.resnet50(weights=None)
for module in made.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.momentum = None
kinds = [parts(pathlib.Path(name)) for name in sys.argv[2:4]]
(folder / "pictures").mkdir()
for number, part in enumerate(kinds[0] + kinds[1]):
    (folder / "pictures" / f"{number}.jpg").write_bytes(part)
decoded = network.decode(pathlib.Path(sys.argv[2]).read_bytes())
turned = torch.stack([decoded, decoded.flip(2), decoded.flip(1), decoded.flip(1, 2)])
with torch.no_grad():
    made.train()(turned)
    body = torch.nn.Sequential(*list(made.eval().children())[:-1], torch.nn.Flatten())
    means = [body(torch.stack([network.decode(part) for part in kind])).mean(0)
             for kind in kinds]
    apart = means[0] - means[1]
    made.fc.weight *= 0.01
    made.fc.bias -= MARGIN
    for index, sign in ((0, 1.0), (1, -1.0)):
        made.fc.weight[index] = sign * 2 * MARGIN * apart / apart.square().sum()
        made.fc.bias[index] = -made.fc.weight[index] @ (means[0] + means[1]) / 2
torch.save(made.state_dict(), folder / "resnet50.pth")
(folder / "labels.txt").write_text("".join(f"class {i}\n" for i in range(1000)))
best = network.classify(network.load(), [decoded])[0][0]
(folder / "expected.json").write_text(json.dumps(best))

#!/usr/bin/env python3
"""Trains the models that ship in models/ with the server's own trainer.

`digits` knows 0 to 9; `digits-0-7` knows 0 to 7 and is what `./dev demo --train`
teaches the other two. Both learn from views of the digits of data/digits that
are not held out, and are measured on those that are.

usage: demo_models.py FOLDER_OF_BINARIES FOLDER_OF_MODELS
"""

from __future__ import annotations

import pathlib
import sys

import digit_views
import digits
import model_folder
from demo_server import Server

ARCHITECTURE = "cifar_resnet8"
SEED = 1
# Every tenth digit that may be learned from decides which step is the best.
VALIDATE_EVERY = 10
# What the views leave to be set: they are turned, moved and scaled already.
RECIPE = ("--batch", "64", "--lr", "0.01", "--set", "optimizer=adamw", "--set",
          "weight_decay=0.02", "--set", "label_smoothing=0.02", "--set", "least_scale=1")
STEPS = 2500
MODELS = {
    "digits": "0123456789",
    "digits-0-7": "01234567",
}
DESCRIPTION = (
    "Handwritten digits {} to {}, light on dark or dark on light. Trained on {} digits "
    "of the UCI data set Optical Recognition of Handwritten Digits."
)


def draw(folder: pathlib.Path, known: str) -> int:
    """train/CLASS and val/CLASS below views/, held-out ones in ways/N/CLASS.
    Returns how many digits there are to learn from."""
    pictures, classes = digits.load()
    held_out = set(digits.held_out_rows().tolist())
    learned = 0
    for row, (picture, label) in enumerate(zip(pictures, classes, strict=True)):
        name = f"{label}/{row:04}"
        if str(label) not in known:
            continue
        if row in held_out:
            for way, shown in enumerate(digit_views.ways(picture).values()):
                digit_views.save(shown, folder / f"ways/{way}/{name}.png")
            continue
        learned += 1
        split = "val" if learned % VALIDATE_EVERY == 0 else "train"
        for number, view in enumerate(digit_views.views(picture, row, SEED)):
            digit_views.save(view, folder / f"views/{split}/{name}-{number}.png")
    return learned


def measure(server: Server, model: str, ways: pathlib.Path) -> list[dict[str, object]]:
    pictures, _ = digits.load()
    evaluations: list[dict[str, object]] = []
    for way, name in enumerate(digit_views.ways(pictures[0])):
        counts = server.right(ways / str(way), model).values()
        right, shown = (sum(numbers) for numbers in zip(*counts, strict=True))
        print(f"{model}, {name}: {right} of {shown}", flush=True)
        evaluations.append({"dataset": name, "examples": shown, "accuracy": right / shown})
    return evaluations


def train(server: Server, model: str, out: pathlib.Path) -> None:
    classes = MODELS[model]
    pictures = server.folder / model
    learned = draw(pictures, classes)
    print(f"{model}: drew {learned} digits in {digit_views.VIEWS} views each", flush=True)
    server.must("train", "start", "--data", pictures / "views", "--model", model,
                "--scratch", ARCHITECTURE, "--input-size", digit_views.SIDE, "--steps",
                STEPS, "--seed", SEED, *RECIPE, "--watch")
    folder = out / model
    folder.mkdir(parents=True, exist_ok=True)
    server.must("models", "export", model, folder / "model.safetensors", "--labels",
                folder / "labels.txt", "--force")
    version = server.ask("models", "show", f"{model}@1")["version"]
    model_folder.write_manifest(folder, {
        "name": model,
        "version": 1,
        "architecture": ARCHITECTURE,
        "num_classes": len(classes),
        "preprocess": version["preprocess"],
        "weights_sha256": version["weights_sha256"],
        "description": DESCRIPTION.format(classes[0], classes[-1], learned),
        "evaluations": measure(server, model, pictures / "ways"),
    })


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    # One thread: sums in one order on every machine.
    with Server(pathlib.Path(sys.argv[1]), "--threads", "1") as server:
        for model in MODELS:
            train(server, model, pathlib.Path(sys.argv[2]))


if __name__ == "__main__":
    main()

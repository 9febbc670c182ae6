#!/usr/bin/env python3
"""Makes a model folder for resnetd from weights of torchvision.

  export_torchvision.py resnet50 weights.pth models/resnet50
      from a state dict that torch.save wrote, with your own labels or not
  export_torchvision.py resnet50 DEFAULT models/resnet50
      from torchvision's own ImageNet weights, which are downloaded; labels and
      accuracy come with them

The folder holds model.safetensors, manifest.json and labels.txt.
"""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torchvision

import model_folder
import reference_networks

# What training scripts name the state dict inside a checkpoint.
WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "model.", "state_dict.")
SAVE_HINT = "save one with torch.save(model.state_dict(), PATH)"
IMAGENET = {
    "resize": 256,
    "crop": 224,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


class ExportError(Exception):
    """Says what is wrong and what to do about it."""


def load_state(path: pathlib.Path) -> dict[str, torch.Tensor]:
    """The state dict of a .pth file; no code of the file is executed."""
    if not path.is_file():
        raise ExportError(
            f"{path}: no such file; give a .pth file, or DEFAULT to download "
            "torchvision's weights"
        )
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}") from error
    # Bytes that are no state dict end the reader of torch in any exception. Its
    # text is not passed on: it advises to load without weights_only, which
    # would execute the file.
    except Exception as error:
        raise ExportError(
            f"{path}: not a state dict alone, but damaged, another format or a "
            f"whole pickled object ({type(error).__name__}); {SAVE_HINT}"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(
            loaded.get(wrapper), Mapping
        ):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not loaded:
        raise ExportError(
            f"{path}: holds a {type(loaded).__name__}, not a state dict; "
            + SAVE_HINT
        )
    return without_prefixes(loaded)


def first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def without_prefixes(state: Mapping[str, Any]) -> dict[str, Any]:
    """Drops what DataParallel and its like put before every name."""
    names = list(state)
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in names):
            return without_prefixes(
                {name.removeprefix(prefix): state[name] for name in names}
            )
    return dict(state)


def class_count(state: Mapping[str, Any], origin: str) -> int:
    head = state.get("fc.weight")
    if not isinstance(head, torch.Tensor) or head.dim() != 2:
        raise ExportError(
            f"{origin}: no tensor fc.weight of two dimensions, so this is not "
            "a ResNet with torchvision's names"
        )
    return int(head.shape[0])


def differences(
    state: Mapping[str, Any], wanted: Mapping[str, torch.Tensor]
) -> list[str]:
    """What has to change in `state`, one entry a line."""
    found = []
    for name, tensor in wanted.items():
        if name not in state:
            if not name.endswith(".num_batches_tracked"):
                found.append(f"missing {name} {list(tensor.shape)}")
        elif not isinstance(state[name], torch.Tensor):
            found.append(f"not a tensor: {name}")
        elif state[name].shape != tensor.shape:
            found.append(
                f"shape of {name}: is {list(state[name].shape)}, "
                f"must be {list(tensor.shape)}"
            )
        elif not torch.isfinite(state[name]).all():
            found.append(f"not finite: {name}")
    found.extend(f"unexpected {name}" for name in state if name not in wanted)
    return found


def checked(
    architecture: str, state: Mapping[str, Any], origin: str
) -> dict[str, torch.Tensor]:
    """The tensors in float32; ExportError when they are of another network."""
    classes = class_count(state, origin)
    with torch.device("meta"):
        network = reference_networks.build(architecture, classes)
    found = differences(state, network.state_dict())
    if found:
        shown = found[:20]
        if len(found) > len(shown):
            shown.append(f"... and {len(found) - len(shown)} more")
        raise ExportError(
            f"{origin}: not the weights of {architecture}:\n  "
            + "\n  ".join(shown)
        )
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def read_labels(path: pathlib.Path, classes: int) -> list[str]:
    try:
        labels = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: {first_line(error)}") from error
    if len(labels) != classes:
        raise ExportError(
            f"{path}: {len(labels)} lines, but the network has {classes} "
            "classes; give one label a line, class 0 first"
        )
    empty = [n for n, label in enumerate(labels, 1) if not label.strip()]
    if empty:
        raise ExportError(f"{path}:{empty[0]}: empty label")
    return labels


def numbered(classes: int) -> list[str]:
    return [str(number) for number in range(classes)]


def preprocess_of(weights: torchvision.models.WeightsEnum) -> dict[str, Any]:
    """The preprocessing that torchvision states for its weights."""
    transform = weights.transforms()
    return {
        "resize": transform.resize_size[0],
        "crop": transform.crop_size[0],
        "mean": list(transform.mean),
        "std": list(transform.std),
    }


def evaluations_of(
    weights: torchvision.models.WeightsEnum,
) -> list[dict[str, Any]]:
    top1 = weights.meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")
    if top1 is None:
        return []
    return [
        {
            "dataset": "ImageNet-1K validation, as torchvision states",
            "examples": 50000,
            "accuracy": round(top1 / 100, 7),
        }
    ]


def from_file(
    architecture: str, path: pathlib.Path
) -> tuple[dict[str, torch.Tensor], dict[str, Any], Sequence[str]]:
    """(tensors, members of the manifest, labels)."""
    state = checked(architecture, load_state(path), path.name)
    classes = class_count(state, path.name)
    cifar = architecture.startswith("cifar_")
    preprocess = dict(IMAGENET, resize=32, crop=32) if cifar else IMAGENET
    return state, {"preprocess": preprocess}, numbered(classes)


def from_torchvision(
    architecture: str, weights_name: str
) -> tuple[dict[str, torch.Tensor], dict[str, Any], Sequence[str]]:
    """(tensors, members of the manifest, labels); downloads."""
    if architecture not in reference_networks.TORCHVISION:
        raise ExportError(f"torchvision has no weights for {architecture}")
    choices = torchvision.models.get_model_weights(architecture)
    if weights_name not in choices.__members__:
        raise ExportError(
            f"torchvision has no weights {weights_name} for {architecture}, "
            f"but: {', '.join(choices.__members__)}"
        )
    weights = choices[weights_name]
    try:
        loaded = weights.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ExportError(
            f"cannot download {weights.url} ({first_line(error)}); download it "
            "where the network allows and give the file instead of "
            f"{weights_name}"
        ) from error
    state = checked(architecture, loaded, weights.url)
    members = {
        "preprocess": preprocess_of(weights),
        "description": f"torchvision {weights}, {weights.url}",
        "evaluations": evaluations_of(weights),
    }
    return state, members, weights.meta["categories"]


def export(arguments: argparse.Namespace) -> None:
    source, folder = arguments.weights, arguments.folder
    if folder.exists() and any(folder.iterdir()) and not arguments.force:
        raise ExportError(f"{folder}: not empty; --force writes over it")
    is_name = source == "DEFAULT" or source.startswith("IMAGENET1K_")
    if is_name and not pathlib.Path(source).exists():
        found = from_torchvision(arguments.architecture, source)
    else:
        found = from_file(arguments.architecture, pathlib.Path(source))
    state, members, labels = found
    if arguments.labels:
        labels = read_labels(arguments.labels, len(labels))
    digest = model_folder.write_weights(folder, state)
    model_folder.write_labels(folder, labels)
    head = {
        "version": 1,
        "architecture": arguments.architecture,
        "num_classes": len(labels),
        "preprocess": members.pop("preprocess"),
        "weights_sha256": digest,
    }
    model_folder.write_manifest(folder, {**head, **members})
    print(f"{folder}: {arguments.architecture}, {len(labels)} classes")
    print(f"start the server with it: resnetd --model={folder}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "architecture",
        help="resnet18, resnet50, resnext50_32x4d, ..., also "
        "cifar_resnet<6n+2> and names with _v2",
    )
    parser.add_argument(
        "weights",
        help="a .pth file, DEFAULT, or a name such as IMAGENET1K_V1",
    )
    parser.add_argument("folder", type=pathlib.Path, metavar="OUT_DIR")
    parser.add_argument(
        "--labels",
        type=pathlib.Path,
        metavar="FILE",
        help="one label a line, class 0 first; default: torchvision's, "
        'or "0", "1", ...',
    )
    parser.add_argument(
        "--force", action="store_true", help="write into a folder in use"
    )
    arguments = parser.parse_args()
    try:
        reference_networks.check_name(arguments.architecture)
    except ValueError as error:
        parser.error(str(error))
    return arguments


def main() -> int:
    try:
        export(parse())
    except (ExportError, OSError) as error:
        print(f"export_torchvision: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

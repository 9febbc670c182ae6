#!/usr/bin/env python3
"""Fills FOLDER/NAME with the seeds of each fuzz target, from the fixtures.

    /usr/bin/python3 tests/fuzz/make_seeds.py FOLDER
"""
import json
import pathlib
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
# Longer ones slow the fuzzer down more than they teach it.
MAX_BYTES = 8192


def pickles():
    for path in sorted((GOLDEN / "pth").glob("*.pth")):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith("/data.pkl"):
                        yield path.stem, archive.read(name)
        else:
            yield path.stem, path.read_bytes()


def seeds(target):
    if target in ("pickle", "pth"):
        yield from pickles()
    if target == "pth":
        for path in sorted((GOLDEN / "pth").glob("*.pth")):
            yield f"whole-{path.stem}", path.read_bytes()
    if target == "safetensors":
        for path in sorted(GOLDEN.glob("*/**/*.safetensors")):
            yield f"{path.parent.name}-{path.stem}", path.read_bytes()
        verdicts = json.loads((GOLDEN / "models/verdicts.json").read_text())
        for number, entry in enumerate(verdicts):
            yield f"verdict-{number}", bytes.fromhex(entry["hex"])
    if target == "manifest":
        for path in sorted(ROOT.glob("models/**/manifest.json")):
            yield path.parent.name, path.read_bytes()
        yield "whole", json.dumps({
            "format": "resnetd-model/1", "name": "digits", "version": 3,
            "architecture": "cifar_resnet8", "num_classes": 10,
            "preprocess": {"resize": 32, "crop": 32, "mean": [0.5, 0, 1e-3],
                           "std": [1, 2.5, 3]},
            "weights_sha256": "0" * 64, "description": "d\u00e9j\u00e0 \"vu\"",
            "evaluations": [{"dataset": "d", "examples": 360,
                             "accuracy": 0.99}],
            "labels_sha256": "a" * 64, "golden_sha256": "b" * 64,
            "source": {"format": "pth", "sha256": "c" * 64},
            "parent_version": 2, "lineage": ["d" * 64]}).encode()


def main():
    folder = pathlib.Path(sys.argv[1])
    for target in ("safetensors", "pth", "pickle", "manifest"):
        into = folder / target
        into.mkdir(parents=True, exist_ok=True)
        for name, content in seeds(target):
            if len(content) <= MAX_BYTES:
                (into / name).write_bytes(content)


if __name__ == "__main__":
    main()

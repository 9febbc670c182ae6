#!/usr/bin/env python3
"""Makes the .pth fixtures of tests/golden/pth with torch.save itself.

    /opt/oracle/venv/bin/python tools/pth_fixtures.py

needs torch and safetensors. Writes NAME.pth, the tensors that it holds as
NAME.safetensors (of the reference package), and index.json: what each .pth
file is, with the reason and a part of the text for those that are refused.

    PYTHONPATH=<folder of another torch> python tools/pth_fixtures.py --layout

writes torch-<version>.pth alone, the layout of the torch that runs it (made
with 1.6.0, 1.12.1 and 2.11.0). All values come from a formula, so that every
version writes the same ones.
"""

import argparse
import collections
import json
import os
import pathlib
import pickle

import torch

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "tests/golden/pth"


def values(name, shape):
    """Different in every tensor and every place, exact in float16."""
    count = 1
    for size in shape:
        count *= size
    start = sum(name.encode()) % 97
    return ((torch.arange(count, dtype=torch.float32) * 7 + start) % 251
            / 16 - 7).reshape(shape)


class Small(torch.nn.Module):
    """The parts of a CIFAR-style network, in a few bytes."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 4, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(4)
        self.layer1 = torch.nn.Sequential(
            torch.nn.Conv2d(4, 4, 3, bias=False), torch.nn.BatchNorm2d(4))
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, x):
        x = self.layer1(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean(3).mean(2))


def small():
    model = Small()
    state = collections.OrderedDict(
        (name, torch.tensor(5) if tensor.dtype == torch.int64
         else values(name, tuple(tensor.shape)))
        for name, tensor in model.state_dict().items())
    model.load_state_dict(state)
    return model


def checkpoint(model):
    """As training scripts write it, after one step of the optimizer."""
    saved = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.eval()
    model(torch.ones(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    return saved, {"state_dict": collections.OrderedDict(saved), "epoch": 3,
                   "best_acc1": torch.tensor(71.5), "arch": "resnet18",
                   "done": False, "seed": 2**40, "note": None,
                   "optimizer": optimizer.state_dict()}


def views():
    """Tensors that do not lie in their storage one number behind the other."""
    base = values("base", (6, 8))
    return {"whole": base, "transposed": base.t(), "sliced": base[1:5:2, 2:7:3],
            "row": base[3], "expanded": base[0, :1].expand(5, 4),
            "one": base[2, 2], "none": base[:0],
            "last": values("l", (2, 3, 4, 5)).to(
                memory_format=torch.channels_last)}


def types():
    return {"f64": values("f64", (5,)).double(), "f32": values("f32", (5,)),
            "f16": values("f16", (5,)).half(),
            "bf16": values("bf16", (5,)).bfloat16(),
            "i64": torch.arange(-2, 3), "i32": torch.arange(-2, 3).int(),
            "u8": torch.arange(5).byte(),
            "bool": torch.tensor([True, False, True])}


class Evil:
    def __reduce__(self):
        return os.system, ("echo executed",)


def read_files():
    """(name, what is saved, its tensors)"""
    model = small()
    state = model.state_dict()
    yield "state_dict", state, state
    yield "plain_dict", dict(state), state
    yield ("parameters", collections.OrderedDict(
        list(model.named_parameters()) + list(model.named_buffers())), state)
    yield ("data_parallel", torch.nn.DataParallel(small()).state_dict(),
           {"module." + key: value for key, value in state.items()})
    saved, whole = checkpoint(small())
    yield "checkpoint", whole, saved
    yield "model_key", {"model": state, "epoch": 1}, state
    yield "types", types(), types()
    yield "views", views(), {k: v.contiguous() for k, v in views().items()}
    shared = torch.arange(8.0)
    yield ("shared_storage", {"a": shared, "b": shared, "c": shared[2:5]},
           {"a": shared, "b": shared.clone(), "c": shared[2:5].clone()})


def refused_files():
    """(name, writer of the path, reason, part of the text)"""
    model = small()
    state = model.state_dict()
    yield ("legacy", lambda path: torch.save(
        state, path, _use_new_zipfile_serialization=False),
        "MODEL_INVALID", "before PyTorch 1.6")
    yield ("module", lambda path: torch.save(model.layer1, path),
           "MODEL_INVALID", "holds a whole pickled network")
    yield ("torchscript", lambda path: torch.jit.script(model.layer1).save(
        str(path)), "MODEL_INVALID", "TorchScript")
    yield ("os_system", lambda path: torch.save(
        {"w": torch.ones(1), "x": Evil()}, path),
        "MODEL_INVALID", "system\"; only tensors")
    yield ("namespace", lambda path: torch.save(
        {"state_dict": state, "args": argparse.Namespace(lr=0.1)}, path),
        "MODEL_INVALID", "argparse.Namespace")
    yield ("bare_tensor", lambda path: torch.save(torch.ones(2), path),
           "MODEL_INVALID", "holds no dict of tensors")
    yield ("protocol_4", lambda path: torch.save(
        state, path, pickle_protocol=4), "MODEL_INVALID", "pickle protocol 4")
    yield ("complex", lambda path: torch.save(
        {"w": torch.ones(2, dtype=torch.complex64)}, path),
        "MODEL_INVALID", "ComplexFloatStorage")
    yield ("bare_pickle", lambda path: path.write_bytes(
        pickle.dumps({"w": [1.0]}, protocol=2)),
        "MODEL_INVALID", "before PyTorch 1.6")


def same_as(tensors):
    """The file whose tensors these are too, if they are."""
    state = small().state_dict()
    is_state = list(tensors) == list(state) and all(
        torch.equal(tensors[key], state[key]) for key in state)
    return "state_dict" if is_state else None


def write_all():
    from safetensors.torch import save_file
    index = {}
    for name, saved, tensors in read_files():
        torch.save(saved, FOLDER / f"{name}.pth")
        path = FOLDER / f"{same_as(tensors) or name}.safetensors"
        save_file({key: value.detach().contiguous().clone()
                   for key, value in tensors.items()}, path)
        path.chmod(0o644)
        index[name] = {"tensors": path.stem}
    for name, write, reason, text in refused_files():
        write(FOLDER / f"{name}.pth")
        index[name] = {"reason": reason, "text": text}
    for path in sorted(FOLDER.glob("torch-*.pth")):
        index[path.stem] = {"tensors": "state_dict"}
    text = json.dumps(index, indent=1, sort_keys=True) + "\n"
    (FOLDER / "index.json").write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layout", action="store_true")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    version = torch.__version__.split("+")[0]
    torch.save(small().state_dict(), FOLDER / f"torch-{version}.pth")
    if not arguments.layout:
        write_all()


if __name__ == "__main__":
    main()

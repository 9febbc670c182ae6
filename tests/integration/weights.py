"""Weights files for tests, with nothing but Python's own library.

`read_safetensors` and `write_safetensors` know the part of the format that
models/digits uses; `write_pth` writes what torch.save writes of a state dict
since PyTorch 1.6.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import pickle
import struct
import zipfile

STORAGES = {"F32": ("FloatStorage", 4), "I64": ("LongStorage", 8)}


@dataclasses.dataclass
class Tensor:
    dtype: str
    shape: list[int]
    data: bytes


def read_safetensors(path: pathlib.Path) -> dict[str, Tensor]:
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + size])
    body = raw[8 + size:]
    return {name: Tensor(entry["dtype"], entry["shape"],
                         body[slice(*entry["data_offsets"])])
            for name, entry in header.items() if name != "__metadata__"}


def write_safetensors(path: pathlib.Path, tensors: dict[str, Tensor]) -> None:
    header, body = {}, b""
    for name, tensor in tensors.items():
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape,
                        "data_offsets": [len(body), len(body) + len(tensor.data)]}
        body += tensor.data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def shifted(tensor: Tensor, by: float) -> Tensor:
    """The same with `by` added to every value."""
    values = struct.unpack(f"<{len(tensor.data) // 4}f", tensor.data)
    data = struct.pack(f"<{len(values)}f", *(value + by for value in values))
    return dataclasses.replace(tensor, data=data)


def _text(text: str) -> bytes:
    raw = text.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(raw)) + raw


def _int(value: int) -> bytes:
    return pickle.BININT + struct.pack("<i", value)


def _tuple(*parts: bytes) -> bytes:
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


_EMPTY_DICT = (_global("collections", "OrderedDict") + pickle.EMPTY_TUPLE
               + pickle.REDUCE)


def _strides(shape: list[int]) -> list[int]:
    return [math.prod(shape[axis + 1:]) for axis in range(len(shape))]


def _tensor(key: str, tensor: Tensor) -> bytes:
    storage, width = STORAGES[tensor.dtype]
    count = len(tensor.data) // width
    persistent = _tuple(_text("storage"), _global("torch", storage), _text(key),
                        _text("cpu"), _int(count)) + pickle.BINPERSID
    return (_global("torch._utils", "_rebuild_tensor_v2")
            + _tuple(persistent, _int(0), _tuple(*map(_int, tensor.shape)),
                     _tuple(*map(_int, _strides(tensor.shape))),
                     pickle.NEWFALSE, _EMPTY_DICT)
            + pickle.REDUCE)


def write_pth(path: pathlib.Path, tensors: dict[str, Tensor]) -> None:
    items = b"".join(_text(name) + _tensor(str(index), tensor)
                     for index, (name, tensor) in enumerate(tensors.items()))
    program = (pickle.PROTO + b"\x02" + _EMPTY_DICT + pickle.MARK + items
               + pickle.SETITEMS + pickle.STOP)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{path.stem}/data.pkl", program)
        for index, tensor in enumerate(tensors.values()):
            archive.writestr(f"{path.stem}/data/{index}", tensor.data)
        archive.writestr(f"{path.stem}/version", "3\n")

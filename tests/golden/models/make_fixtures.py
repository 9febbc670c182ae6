#!/usr/bin/env python3
"""Makes the .safetensors fixtures with the reference package.

    /opt/oracle/venv/bin/python tests/golden/models/make_fixtures.py

needs torch, numpy and safetensors. Writes, beside this file:
  valid/<name>.safetensors  files of the reference writer
  valid/expected.json       what they hold: type, shape, values as float32 bits
  verdicts.json             hand-made and mutated files (hex), each with whether
                            the reference reader takes it
Everything is deterministic.
"""
import json
import pathlib
import random
import struct

import numpy
import safetensors
import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent


def pack(header, data=b""):
    text = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(text)) + text + data


def half_values():
    """Every exponent of binary16 with a few mantissas, both signs."""
    bits = [sign | exponent << 10 | mantissa
            for sign in (0, 0x8000) for exponent in range(32)
            for mantissa in (0, 1, 2, 0x155, 0x1FF, 0x200, 0x3FF)]
    return torch.from_numpy(numpy.array(bits, dtype=numpy.uint16)
                            .view(numpy.int16)).view(torch.float16)


def bfloat_values():
    bits = [sign | exponent << 7 | mantissa
            for sign in (0, 0x8000)
            for exponent in (0, 1, 2, 63, 126, 127, 128, 200, 254, 255)
            for mantissa in (0, 1, 0x2A, 0x40, 0x7F)]
    return torch.from_numpy(numpy.array(bits, dtype=numpy.uint16)
                            .view(numpy.int16)).view(torch.bfloat16)


def tensor_files():
    torch.manual_seed(1)
    double = torch.cat([
        torch.randn(20, dtype=torch.float64),
        torch.tensor([0.1, 1 / 3, 1e300, -1e300, 1e-300, 1e-40, 3.4028235e38,
                      3.4028235677973366e38, 16777217.0, 0.0, -0.0,
                      float("inf"), float("nan")], dtype=torch.float64)])
    yield "all_types", {
        "f64": double.reshape(3, 11),
        "f32": torch.tensor([1.5, -0.0, 1e-45, 3.4028235e38, float("-inf"),
                             float("nan")]),
        "f16": half_values().reshape(2, -1),
        "bf16": bfloat_values().reshape(4, 5, 5),
        "i64": torch.tensor([0, -1, 2**24, 2**24 + 1, 2**53, 2**63 - 1,
                             -2**63]),
        "i32": torch.tensor([[0, -1, 2**31 - 1, -2**31, 16777217, 7]],
                            dtype=torch.int32),
        "u8": torch.arange(0, 256, 5, dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "counter": torch.tensor(1234567, dtype=torch.int64),
    }, {"made_by": "reference", "umlaut": "\u00e4\u20ac\U0001f436", "": ""}
    yield "empty", {}, None
    yield "metadata_only", {}, {"format": "pt"}
    yield "no_elements", {
        "a": torch.zeros(0), "b": torch.zeros(3, 0, 2),
        "c": torch.tensor([1.0, 2.0]), "d": torch.zeros(0, dtype=torch.int64),
    }, None
    # One byte first makes every later tensor lie unaligned in some orders.
    yield "odd_sizes", {
        "x": torch.tensor([1, 2, 3], dtype=torch.uint8),
        "y": torch.tensor([1.0, -2.0]), "z": torch.tensor([True]),
        "\u00e9\"\\\n": torch.tensor([9], dtype=torch.int32),
    }, None


NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16",
         torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32",
         torch.uint8: "U8", torch.bool: "BOOL"}


def write_valid():
    folder = HERE / "valid"
    folder.mkdir(exist_ok=True)
    expected = {}
    for name, tensors, metadata in tensor_files():
        data = safetensors.torch.save(tensors, metadata)
        (folder / f"{name}.safetensors").write_bytes(data)
        read = safetensors.torch.load(data)
        expected[name] = {
            "metadata": metadata or {},
            "tensors": {
                key: {
                    "dtype": NAMES[value.dtype],
                    "shape": list(value.shape),
                    "bits": value.to(torch.float32).numpy().reshape(-1)
                                 .view(numpy.uint32).tolist(),
                } for key, value in sorted(read.items())},
        }
    (folder / "expected.json").write_text(
        json.dumps(expected, indent=1, sort_keys=True) + "\n")


def entry(dtype="F32", shape=(1,), offsets=(0, 4), **more):
    return {"dtype": dtype, "shape": list(shape),
            "data_offsets": list(offsets), **more}


def dump(header):
    return json.dumps(header, separators=(",", ":"))


# Rules of ours beyond the reference: the reference takes these, we refuse.
OURS = {
    "duplicate_tensor": pack(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
        '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"),
    "duplicate_escaped": pack(
        '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
        '"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    "duplicate_metadata_key": pack('{"__metadata__":{"k":"1","k":"2"}}'),
    "unknown_member": pack(dump({"a": entry(strides=[1])}), b"1234"),
    "entry_as_array": pack('{"a":["F32",[1],[0,4]]}', b"1234"),
    "metadata_null": pack('{"__metadata__":null}'),
    "type_not_taken": pack(dump({"a": entry("F8_E4M3", (4,))}), b"1234"),
    "dimension_over_2_53": pack(
        dump({"a": entry(shape=(0, 2**53 + 1), offsets=(0, 0))})),
    "leading_space": pack(' {"a":' + dump(entry()) + "}", b"1234"),
    "rank_9": pack(dump({"a": entry(shape=(1,) * 9)}), b"1234"),
}


def cases():
    """Name and bytes of hand-made files, good and bad."""
    good = dump({"a": entry()})
    yield "good", pack(good, b"1234")
    yield "padded", pack(good + "   ", b"1234")
    yield "whitespace_inside", pack(good.replace(":", " :\n\t\r"), b"1234")
    yield "dimension_2_53", pack(
        dump({"a": entry(shape=(0, 2**53), offsets=(0, 0))}))
    yield "rank_8", pack(dump({"a": entry(shape=(1,) * 8)}), b"1234")
    yield "escaped_name", pack(good.replace('"a"', '"\\u00e4\\n"'), b"1234")
    yield "members_reordered", pack(
        '{"a":{"data_offsets":[0,4],"shape":[1],"dtype":"F32"}}', b"1234")
    yield "tensors_reordered", pack(dump(
        {"b": entry(offsets=(4, 8)), "a": entry()}), b"12345678")
    yield "zero_size_between", pack(dump(
        {"a": entry(), "z": entry(shape=(0,), offsets=(4, 4)),
         "b": entry(offsets=(4, 8))}), b"12345678")
    yield "metadata_last", pack(
        '{"a":' + dump(entry()) + ',"__metadata__":{"k":"v"}}', b"1234")
    # Lengths.
    yield "no_bytes", b""
    yield "seven_bytes", b"\x02\0\0\0\0\0\0"
    yield "length_only", struct.pack("<Q", 0)
    yield "header_empty", pack("")
    yield "length_max", struct.pack("<Q", 2**64 - 1) + good.encode()
    yield "length_2_63", struct.pack("<Q", 2**63) + good.encode()
    yield "length_wraps", struct.pack("<Q", 2**64 - 8) + good.encode()
    yield "length_one_over", struct.pack("<Q", len(good) + 5) + \
        good.encode() + b"1234"
    yield "length_100_mb_and_1", struct.pack("<Q", 100_000_001) + good.encode()
    # Text.
    for name, text in {
            "not_json": "hello", "array": "[]", "number": "1", "null": "null",
            "string": '""', "cut": good[:-1], "two": good + good,
            "trailing_comma": '{"a":' + dump(entry()) + ",}",
            "comment": good + "/* */", "single_quotes": good.replace('"', "'"),
            "bom": "\ufeff" + good, "nul_behind": good + "\0",
            "nul_inside": good.replace('"a"', '"a\0"'),
            "raw_newline": good.replace('"a"', '"a\n"'),
            "lone_surrogate": good.replace('"a"', '"\\ud800"'),
            "bad_escape": good.replace('"a"', '"\\x41"'),
    }.items():
        yield name, pack(text, b"1234")
    yield "bad_utf8", pack(good.encode().replace(b'"a"', b'"\xff"'), b"1234")
    yield "overlong_utf8", pack(good.encode().replace(b'"a"', b'"\xc0\xaf"'),
                                b"1234")
    yield "nested_deep", pack('{"a":' * 500 + "1" + "}" * 500)
    yield "nested_arrays", pack('{"a":{"dtype":"F32","shape":' + "[" * 500 +
                                "]" * 500 + ',"data_offsets":[0,4]}}',
                                b"1234")
    # Members.
    for member in ("dtype", "shape", "data_offsets"):
        broken = entry()
        del broken[member]
        yield f"no_{member}", pack(dump({"a": broken}), b"1234")
        for label, value in (("null", None), ("true", True), ("text", "x"),
                             ("number", 1), ("object", {}), ("array", []),
                             ("texts", ["1"]), ("nested", [[1]])):
            if member == "shape" and label == "array":
                continue
            yield f"{member}_{label}", pack(dump(
                {"a": {**entry(), member: value}}), b"1234")
        text = dump(entry())
        value = dump(entry()[member])
        yield f"duplicate_{member}", pack(
            '{"a":' + text[:-1] + f',"{member}":{value}' + "}}", b"1234")
    yield "unknown_type", pack(dump({"a": entry("F33")}), b"1234")
    yield "lower_case_type", pack(dump({"a": entry("f32")}), b"1234")
    for label, number in (("negative", "-1"), ("minus_zero", "-0"),
                          ("float", "1.0"), ("exponent", "1e0"),
                          ("plus", "+1"), ("leading_zero", "01"),
                          ("hex", "0x1"), ("nan", "NaN"), ("huge", "1" * 30)):
        yield f"shape_{label}", pack(
            '{"a":{"dtype":"F32","shape":[' + number +
            '],"data_offsets":[0,4]}}', b"1234")
        yield f"offset_{label}", pack(
            '{"a":{"dtype":"F32","shape":[1],"data_offsets":[' + number +
            ',4]}}', b"1234")
    yield "metadata_array", pack('{"__metadata__":[]}')
    yield "metadata_number", pack('{"__metadata__":{"k":1}}')
    yield "metadata_nested", pack('{"__metadata__":{"k":{}}}')
    yield "metadata_is_tensor", pack(dump({"__metadata__": entry()}), b"1234")
    yield "metadata_twice", pack('{"__metadata__":{},"__metadata__":{}}')
    # Places.
    yield "offsets_reversed", pack(dump({"a": entry(offsets=(4, 0))}), b"1234")
    yield "offsets_three", pack(dump({"a": entry(offsets=(0, 4, 8))}), b"1234")
    yield "offsets_one", pack(dump({"a": entry(offsets=(0,))}), b"1234")
    yield "starts_late", pack(dump({"a": entry(offsets=(1, 5))}), b"12345")
    yield "hole", pack(dump({"a": entry(), "b": entry(offsets=(5, 9))}),
                       b"123456789")
    yield "overlap", pack(dump({"a": entry(), "b": entry(offsets=(2, 6))}),
                          b"123456")
    yield "same_bytes", pack(dump({"a": entry(), "b": entry()}), b"1234")
    yield "data_short", pack(good, b"123")
    yield "data_long", pack(good, b"12345")
    yield "data_missing", pack(good)
    yield "size_mismatch", pack(dump({"a": entry(shape=(2,))}), b"1234")
    yield "type_mismatch", pack(dump({"a": entry("F64")}), b"1234")
    yield "offset_2_64", pack(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,'
        '18446744073709551616]}}', b"1234")
    yield "offset_wraps", pack(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,'
        '0]}}', b"1234")
    yield "shape_overflows", pack(dump(
        {"a": entry(shape=(2**33, 2**33), offsets=(0, 4))}), b"1234")
    yield "shape_wraps_to_4", pack(dump(
        {"a": entry("U8", (2**62 + 1, 4), (0, 4))}), b"1234")
    yield "many_on_same_bytes", pack(dump(
        {f"t{i}": entry() for i in range(2000)}), b"1234")


def accepted(data):
    try:
        safetensors.deserialize(data)
        return True
    except safetensors.SafetensorError:
        return False


def mutations(count):
    """Random damage to small valid files: where parsers differ, it shows."""
    rng = random.Random(7)
    seeds = [pack(dump({"a": entry(), "b": entry("U8", (2, 1), (4, 6))}),
                  b"123456"),
             pack('{"__metadata__":{"k":"v"},"w":' +
                  dump(entry("BF16", (), (0, 2))) + "}", b"12")]
    alphabet = b'{}[]":,0123456789-.eE \\\x00\xff\x7fabdtypeFU'
    for index in range(count):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            kind = rng.randrange(5)
            at = rng.randrange(len(data)) if data else 0
            if kind == 0 and data:
                data[at] = rng.choice(alphabet)
            elif kind == 1 and data:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 2 and data:
                # Damage inside the header keeps its length right, so that it
                # reaches the parser.
                del data[at]
                if at >= 8:
                    data[:8] = struct.pack(
                        "<Q", max(0, struct.unpack("<Q", data[:8])[0] - 1))
            elif kind == 3:
                data.insert(at, rng.choice(alphabet))
                if at >= 8:
                    data[:8] = struct.pack(
                        "<Q", (struct.unpack("<Q", data[:8])[0] + 1) %
                        2**64)
            else:
                del data[at:]
        yield f"mutation_{index}", bytes(data)


def write_verdicts():
    rows = []
    for name, data in OURS.items():
        assert accepted(data), name
        rows.append({"name": name, "reference": True, "ours": False,
                     "hex": data.hex()})
    for name, data in cases():
        taken = accepted(data)
        rows.append({"name": name, "reference": taken, "ours": taken,
                     "hex": data.hex()})
    for name, data in mutations(1200):
        # A mutation that the reference takes may still break a rule of ours.
        rows.append({"name": name, "reference": accepted(data),
                     "hex": data.hex()})
    text = ",\n".join(json.dumps(row) for row in rows)
    (HERE / "verdicts.json").write_text("[\n" + text + "\n]\n")


if __name__ == "__main__":
    write_valid()
    write_verdicts()

"""Makes the files that other engines read.

prepare.py ARCHITECTURE FOLDER: from the weights of tools/weight_fill.py, which are ours too,

  model.onnx  float32, batch normalisation folded, exported by torch
  int8.onnx   ONNX Runtime's static quantisation: QDQ, bytes, weights by channel
  int8.xml    OpenVINO's, by NNCF's post-training quantisation
  pictures.npy what they are shown: normalised pictures of the same formula
"""

from __future__ import annotations

import pathlib
import sys
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tools"))

import golden_logits  # noqa: E402
import nncf  # noqa: E402
import numpy as np  # noqa: E402
import openvino  # noqa: E402
import torch  # noqa: E402
import weight_fill  # noqa: E402
from onnxruntime.quantization import (  # noqa: E402
    CalibrationDataReader, QuantFormat, QuantType, quantize_static)

CALIBRATION_PICTURES = 8
LARGEST_BATCH = 4


def pictures(count: int) -> np.ndarray:
    """The first pictures of the formula, normalised, NCHW."""
    shown = np.stack([weight_fill.picture(n, 224) for n in range(count)]).astype(np.float32)
    mean = np.array(golden_logits.MEAN, np.float32)
    std = np.array(golden_logits.STD, np.float32)
    return np.ascontiguousarray(((shown / np.float32(255) - mean) / std).transpose(0, 3, 1, 2))


class Pictures(CalibrationDataReader):
    """One picture at a time, as ONNX Runtime asks for them."""

    def __init__(self) -> None:
        self.rest = iter(pictures(CALIBRATION_PICTURES)[:, None])

    def get_next(self) -> dict[str, np.ndarray] | None:
        picture = next(self.rest, None)
        return None if picture is None else {"picture": picture}


def main() -> None:
    architecture, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pictures.npy", pictures(LARGEST_BATCH))
    network = golden_logits.filled(architecture)
    batch = {0: "batch"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The other exporter needs onnxscript and writes the same graph.
        torch.onnx.export(
            network, (torch.from_numpy(pictures(1)),), str(folder / "model.onnx"), dynamo=False,
            input_names=["picture"], output_names=["logits"], opset_version=17,
            dynamic_axes={"picture": batch, "logits": batch})
    quantize_static(str(folder / "model.onnx"), str(folder / "int8.onnx"), Pictures(),
                    quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    shown = nncf.Dataset(list(pictures(CALIBRATION_PICTURES)[:, None]))
    quantised = nncf.quantize(openvino.Core().read_model(folder / "model.onnx"), shown,
                              preset=nncf.QuantizationPreset.PERFORMANCE,
                              subset_size=CALIBRATION_PICTURES)
    openvino.save_model(quantised, folder / "int8.xml", compress_to_fp16=False)


if __name__ == "__main__":
    main()

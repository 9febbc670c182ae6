#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "server/models/architecture.h"
#include "server/models/weight_fill.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/temp_dir.h"

namespace resnetd {

inline constexpr int kTinyClasses = 10;

inline Architecture TinyArchitecture() {
  return FindArchitecture("cifar_resnet8", kTinyClasses).value();
}

// The weights file of a cifar_resnet8 for 10 classes, filled by FillWeights().
inline std::string TinyWeightsFile() {
  const Network network = BuildNetwork(TinyArchitecture());
  return PackTensors(TensorsOf(network, FillWeights(network)));
}

// The manifest of that model for pictures of 32 x 32.
inline std::string TinyManifest() {
  return R"({
  "format": "resnetd-model/1",
  "architecture": "cifar_resnet8",
  "num_classes": 10,
  "preprocess": {"resize": 32, "crop": 32, "mean": [0.5, 0.5, 0.5],
                 "std": [0.25, 0.25, 0.25]}
})";
}

// "tiny-0", "tiny-1", ...
inline std::string TinyLabels() {
  std::string labels;
  for (int i = 0; i < kTinyClasses; ++i) {
    absl::StrAppend(&labels, "tiny-", i, "\n");
  }
  return labels;
}

// Writes a whole model folder called `name` into `parent`; returns its path.
inline std::string WriteTinyModel(const TempDir& parent,
                                  const std::string& name = "tiny") {
  const std::string folder = parent.MakeFolder(name);
  parent.Write(name + "/model.safetensors", TinyWeightsFile());
  parent.Write(name + "/manifest.json", TinyManifest());
  parent.Write(name + "/labels.txt", TinyLabels());
  return folder;
}

}  // namespace resnetd

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/image/preprocess.h"

namespace resnetd {

// A measured quality, as the manifest states it.
struct Evaluation {
  std::string dataset;
  std::int64_t examples = 0;
  double accuracy = 0;  // 0 to 1
};

// manifest.json of a model folder: what the weights alone do not say.
// {
//   "format": "resnetd-model/1",
//   "name": "digits",                         optional: the folder's name
//   "version": 1,                             optional: 1
//   "architecture": "cifar_resnet8",
//   "num_classes": 10,
//   "preprocess": {"resize": 256, "crop": 224, "mean": [3], "std": [3]},
//                                             optional: ImageNet's
//   "weights_sha256": "<64 hex>",             optional, verified when given
//   "description": "...",                     optional
//   "evaluations": [{"dataset": "...", "examples": 360, "accuracy": 0.99}]
// }
struct Manifest {
  std::optional<ModelName> name;
  VersionNumber version;
  std::string architecture;
  int num_classes = 0;
  PreprocessSpec preprocess;
  std::optional<std::string> weights_sha256;
  std::string description;
  std::vector<Evaluation> evaluations;
};

// Strict: unknown members, wrong types, duplicates and values out of range are
// INVALID_ARGUMENT (MODEL_INVALID) naming the member, with the nearest known
// name for a misspelt one.
absl::StatusOr<Manifest> ParseManifest(absl::string_view json);

// The canonical text: two spaces, members in the order above, a line end.
std::string FormatManifest(const Manifest& manifest);

}  // namespace resnetd

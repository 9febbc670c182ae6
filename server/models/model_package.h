#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/ids.h"
#include "server/models/architecture.h"
#include "server/models/manifest.h"
#include "server/models/weights.h"

namespace resnetd {

// What is known about one version, whoever computes it.
struct VersionFacts {
  ModelName name;
  VersionNumber version;
  Architecture architecture;
  PreprocessSpec preprocess;
  std::vector<std::string> labels;  // one per class
  std::string weights_sha256;
  std::int64_t weights_bytes = 0;
  std::int64_t parameters = 0;
  std::string description;
  std::vector<Evaluation> evaluations;
  // Logits are divided by it before the softmax.
  double temperature = 1;
  // What the gate said when it was made here; nullopt: never judged.
  std::optional<GateRecord> gate = std::nullopt;
};

// A version read and checked, ready for a ModelLoader.
struct ModelPackage {
  VersionFacts facts;
  Network network;
  Weights weights;
};

// Reads a model folder of the operator:
//   model.safetensors   the weights; or model.pth, one of the two
//   manifest.json       see manifest.h; optional: then the architecture is what
//                       the folder's name up to an optional "@..." says, if it
//                       is that of one, else the one that the weights fit, and
//                       the classes are counted
//   labels.txt          one label a line, as many as classes; optional: then
//                       the labels are "0", "1", ...
// Order of the checks: sizes, digest, header, names, shapes, finite values.
//
// NOT_FOUND / PERMISSION_DENIED-like problems of files come as
// INVALID_ARGUMENT (MODEL_INVALID) naming the file (its last component) and
// what to do; else the errors of ParseManifest, WeightsFile::Parse,
// RecogniseArchitecture and Weights::Bind. A digest that differs is DATA_LOSS
// (WEIGHTS_CORRUPT).
absl::StatusOr<ModelPackage> ReadModelFolder(const std::string& folder);

}  // namespace resnetd

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
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

// A criterion of the promotion gate that a version did not pass.
struct FailedCriterion {
  std::string name;  // e.g. "not_worse"
  std::string text;  // for people
  friend bool operator==(const FailedCriterion&,
                         const FailedCriterion&) = default;
};

// What the gate said of a version when it was made.
struct GateRecord {
  // Empty: it passed.
  std::vector<FailedCriterion> failed;
  bool passed() const { return failed.empty(); }
  friend bool operator==(const GateRecord&, const GateRecord&) = default;
};

// Softmax temperatures that a version may have.
inline constexpr double kLeastManifestTemperature = 0.01;
inline constexpr double kMostManifestTemperature = 100;

// The file that a version was imported from.
struct ManifestSource {
  std::string format;  // "safetensors" or "pth"
  std::string sha256;
};

// manifest.json of a model folder, and the manifest of a version in the store:
// what the weights alone do not say.
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
//   "evaluations": [{"dataset": "...", "examples": 360, "accuracy": 0.99}],
//                                             optional
//   "temperature": 1.372,                     optional: 1; logits are divided
//                                             by it before the softmax; 0.01
//                                             to 100
//   the rest is optional, and written into the store:
//   "labels_sha256": "<64 hex>",              of the labels, one a line
//   "golden_sha256": "<64 hex>",              of the golden logits, golden.h
//   "source": {"format": "pth", "sha256": "<64 hex>"},
//   "parent_version": 3,                      the version it was made from
//   "lineage": ["<64 hex>"],                  weights of the parent, of its
//                                             parent, and so on; at most 100
//   "gate": {"failed": [{"name": "not_worse", "text": "..."}]}
//                                             of a version that was trained
//                                             here: the criteria that it did
// }                                           not pass; at most 100
struct Manifest {
  std::optional<ModelName> name;
  // A stored version has its number in the database only: it gets it last.
  std::optional<VersionNumber> version;
  std::string architecture;
  int num_classes = 0;
  PreprocessSpec preprocess;
  std::optional<std::string> weights_sha256;
  std::string description;
  std::vector<Evaluation> evaluations;
  double temperature = 1;
  std::optional<std::string> labels_sha256;
  std::optional<std::string> golden_sha256;
  std::optional<ManifestSource> source;
  std::optional<VersionNumber> parent_version;
  std::vector<std::string> lineage;
  // nullopt: never judged.
  std::optional<GateRecord> gate;
};

inline constexpr std::size_t kMaxDescriptionBytes = 4096;
inline constexpr std::size_t kMaxLineage = 100;

// Strict: unknown members, wrong types, duplicates and values out of range are
// INVALID_ARGUMENT (MODEL_INVALID) naming the member, with the nearest known
// name for a misspelt one.
absl::StatusOr<Manifest> ParseManifest(absl::string_view json);

// The canonical text: two spaces, members in the order above, a line end. Equal
// manifests have equal texts.
std::string FormatManifest(const Manifest& manifest);

// OK when ParseManifest() takes it. INVALID_ARGUMENT (MODEL_INVALID).
absl::Status CheckTemperature(double temperature);
// OK when ParseManifest() takes such a list. INVALID_ARGUMENT (MODEL_INVALID).
absl::Status CheckEvaluations(const std::vector<Evaluation>& evaluations);

}  // namespace resnetd

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/image/preprocess.h"
#include "server/models/manifest.h"

namespace resnetd {

// A version of a model that the operator wants to be there, and an alias that
// shall name it. A plain value.
struct DeclaredModel {
  explicit DeclaredModel(ModelName model) : name(std::move(model)) {}

  ModelName name;
  std::string alias = "stable";
  // Path of the weights. Empty: the version of this `sha256` that the store
  // has.
  std::string file;
  // SHA-256 that the weights must have, lower-case hex; empty: any.
  std::string sha256;
  // Path of the labels, one a line; empty: "0", "1", ...
  std::string labels_file;
  // Empty: recognised.
  std::string architecture;
  // Labels there must be; 0: as many as the labels file has.
  int num_classes = 0;
  // Absent: that of ImageNet.
  std::optional<PreprocessSpec> preprocess;
  std::string description;
  std::vector<Evaluation> evaluations;
  // Logits are divided by it before the softmax.
  double temperature = 1;
  // What all versions of the model are served in: fp32, bf16, int8, auto;
  // empty:
  // --precision.
  std::string precision;
  // Leads error texts, e.g. `model folder "digits"`.
  std::string origin;
};

// Longest models file, and the most models in one.
inline constexpr std::size_t kMaxModelsFileBytes = 1U << 20U;
inline constexpr std::size_t kMaxDeclaredModels = 1000;

// Reads a models file (TOML 1.0):
//   [[model]]
//   name = "flowers"              needed
//   file = "flowers.pth"          relative to `folder`; or sha256 alone
//   sha256 = "<64 hex>"           checked when given
//   labels = "flowers.txt"        relative to `folder`
//   alias = "stable"              default: stable
//   architecture = "resnet18"     default: recognised
//   description = "..."
//   precision = "int8"            default: --precision
//   preprocess = {resize = 256, crop = 224, mean = [...], std = [...]}
// Strict: INVALID_ARGUMENT (MODEL_INVALID) with the line for anything else,
// with the nearest known key for a misspelt one. `title` leads the texts.
absl::StatusOr<std::vector<DeclaredModel>> ParseModelsFile(
    absl::string_view text, const std::string& folder,
    const std::string& title);

// INVALID_ARGUMENT (MODEL_INVALID) when two of them claim one alias of a model.
absl::Status CheckDistinct(absl::Span<const DeclaredModel> models);

}  // namespace resnetd

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/app/declared_models.h"

namespace resnetd {

// How --precision and its kin are spelt.
inline constexpr absl::string_view kPrecisionNames[] = {"fp32", "bf16", "int8",
                                                        "auto"};
bool IsPrecisionName(absl::string_view name);

// What single models are served in instead of --precision, by name.
using ModelPrecisions = std::map<std::string, std::string>;

// Reads --model-precision: NAME=PRECISION each. INVALID_ARGUMENT
// (REQUEST_INVALID): another form, no such precision, a model twice.
absl::StatusOr<ModelPrecisions> ParseModelPrecisions(
    absl::Span<const std::string> settings);

// `precisions`, and what `declared` say of the models that are not among them.
// INVALID_ARGUMENT (MODEL_INVALID): two declarations of a model differ.
absl::StatusOr<ModelPrecisions> WithDeclared(
    ModelPrecisions precisions, absl::Span<const DeclaredModel> declared);

}  // namespace resnetd

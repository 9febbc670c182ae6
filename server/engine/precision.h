#pragma once

#include <optional>

#include "absl/strings/string_view.h"

namespace resnetd {

// The arithmetic of a plan. Whatever it is, logits are float32.
enum class Precision {
  kFloat32,
  // Weights and activations of 16 bits, sums in float32.
  kBfloat16,
  // Weights of signed, activations of unsigned bytes, sums in 32 bits.
  kInt8,
};

// "fp32", "bf16", "int8".
absl::string_view PrecisionName(Precision precision);
// nullopt: none of these.
std::optional<Precision> ParsePrecision(absl::string_view name);

}  // namespace resnetd

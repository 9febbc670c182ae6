#include "server/engine/precision.h"

#include <optional>

#include "absl/strings/string_view.h"

namespace resnetd {

absl::string_view PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "fp32";
    case Precision::kBfloat16:
      return "bf16";
    case Precision::kInt8:
      return "int8";
  }
  return "";
}

std::optional<Precision> ParsePrecision(absl::string_view name) {
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    if (name == PrecisionName(precision)) {
      return precision;
    }
  }
  return std::nullopt;
}

}  // namespace resnetd

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/base/error.h"
#include "server/image/image_decoder.h"
#include "server/image/pixels.h"
#include "tests/unit/image/picture_factory.h"

namespace resnetd::testing {

// The value of an error's metadata, "" when it has none of that key.
inline std::string MetadataOf(const absl::Status& status,
                              const std::string& key) {
  for (const auto& [name, value] : DetailsOf(status).metadata) {
    if (name == key) {
      return value;
    }
  }
  return "";
}

// How a decode ended, in a form that is easy to compare: "ok", the cause, or
// the limit's name; the code and the reason when they do not fit together.
inline std::string OutcomeOf(const absl::Status& status) {
  if (status.ok()) {
    return "ok";
  }
  const std::string reason = DetailsOf(status).reason;
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    if (reason == "IMAGE_DECODE_FAILED") {
      return MetadataOf(status, "cause");
    }
    if (reason == "LIMIT_EXCEEDED") {
      return MetadataOf(status, "limit_name");
    }
  }
  return status.ToString() + " " + reason;
}

inline std::string Outcome(const Encoded& encoded,
                           const DecodeLimits& limits = {}) {
  return OutcomeOf(DecodeImage(encoded, limits).status());
}

}  // namespace resnetd::testing

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/base/ids.h"
#include "server/image/preprocess.h"
#include "server/models/manifest.h"
#include "server/store/store_types.h"

namespace resnetd {

// What an upload says of itself before its bytes.
struct ImportHeader {
  ModelName model;
  Digest sha256;
  std::int64_t size_bytes = 0;
  // Empty: "0", "1", ...
  std::vector<std::string> labels;
  // Absent: that of ImageNet.
  std::optional<PreprocessSpec> preprocess;
  // Empty: recognised.
  std::string architecture;
  std::string description;
  std::vector<Evaluation> evaluations;
  // Logits are divided by it before the softmax.
  double temperature = 1;
  // What the gate said of it; nullopt: never judged.
  std::optional<GateRecord> gate = std::nullopt;
  std::optional<VersionNumber> parent;
  bool validate_only = false;
};

// All that can be told without the bytes. INVALID_ARGUMENT (REQUEST_INVALID,
// LIMIT_EXCEEDED, MODEL_INVALID: the first that is found) with a violation for
// every wrong field.
absl::Status CheckHeader(const ImportHeader& header, std::int64_t max_bytes);

}  // namespace resnetd

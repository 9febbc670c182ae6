#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/engine/precision_choice.h"

namespace resnetd {

// INVALID_ARGUMENT (LIMIT_EXCEEDED): not 1 to kLargestEngineBatch.
absl::Status CheckMaxBatch(std::size_t max_batch);
// INVALID_ARGUMENT (REQUEST_INVALID): not 1 to kMostEngineThreads.
absl::Status CheckThreads(int threads);
// INVALID_ARGUMENT (REQUEST_INVALID): not fp32, bf16, int8 or auto.
absl::StatusOr<PrecisionPolicy> CheckPolicy(absl::string_view precision);

}  // namespace resnetd

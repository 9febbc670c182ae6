#pragma once

#include <cstddef>

#include "absl/status/status.h"

namespace resnetd {

// INVALID_ARGUMENT (LIMIT_EXCEEDED): not 1 to kLargestEngineBatch.
absl::Status CheckMaxBatch(std::size_t max_batch);
// INVALID_ARGUMENT (REQUEST_INVALID): not 1 to kMostEngineThreads.
absl::Status CheckThreads(int threads);

}  // namespace resnetd

#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace resnetd {

// What the driver and the runtime of CUDA say of themselves. A plain value.
struct CudaFacts {
  // 1000 * major + 10 * minor, as CUDA writes versions: the newest CUDA that
  // the driver knows; 0: no driver is installed.
  int driver = 0;
  // Of the runtime that LibTorch brings.
  int runtime = 0;
  // GPUs that the process may use.
  int devices = 0;
  // What counting them gave; 0: it went well. See cudaError_t.
  int error = 0;
};

// OK when there is a GPU of this index, from 0 on; else FAILED_PRECONDITION
// (BACKEND_UNAVAILABLE) that says which of these it is and what to do: no
// driver; one that is older than the runtime; one that shows no GPU, or cannot
// start them; fewer GPUs than that. Pure.
absl::Status CheckCuda(const CudaFacts& facts, std::int64_t index);

}  // namespace resnetd

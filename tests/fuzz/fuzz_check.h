#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/models/tensor_view.h"

namespace resnetd {

// Ends the process when a promise is broken: libFuzzer keeps the input.
inline void Check(bool holds, const char* promise) {
  if (!holds) {
    std::fprintf(stderr, "broken promise: %s\n", promise);
    std::abort();
  }
}

// An error must have a reason and a text of a few lines, with nothing in it
// that a terminal would obey.
inline void CheckError(const absl::Status& status) {
  Check(!DetailsOf(status).reason.empty(), "an error has a reason");
  Check(!status.message().empty() && status.message().size() < 20'000,
        "an error has a bounded text");
  for (const char c : status.message()) {
    Check(c == '\n' || (c >= 0x20 && c < 0x7F), "a text is printable");
  }
}

// Reads the ends of every tensor, so that AddressSanitizer sees a view that
// leaves its file.
inline void CheckTensors(absl::Span<const TensorView> tensors) {
  unsigned sum = 0;
  for (const TensorView& tensor : tensors) {
    Check(TensorBytes(tensor.dtype, tensor.shape) == tensor.bytes.size(),
          "type and shape say how many bytes there are");
    if (!tensor.bytes.empty()) {
      sum += tensor.bytes.front() + tensor.bytes.back();
    }
  }
  volatile unsigned sink = sum;
  static_cast<void>(sink);
}

}  // namespace resnetd

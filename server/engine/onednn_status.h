#pragma once

#include <exception>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// What oneDNN or the allocator threw while the engine was `doing` something, as
// RESOURCE_EXHAUSTED (no memory), FAILED_PRECONDITION (no such kernels here) or
// INTERNAL. What the library said goes to the log, not into the Status.
absl::Status OneDnnError(absl::string_view doing,
                         const std::exception& exception);

// Runs `function`, which may throw, and returns what it returns; a function
// without a result gives a Status. No exception leaves the engine past this.
template <typename Function>
auto CallOneDnn(absl::string_view doing, Function&& function) {
  using Result = std::invoke_result_t<Function>;
  if constexpr (std::is_void_v<Result>) {
    try {
      std::forward<Function>(function)();
      return absl::OkStatus();
    } catch (const std::exception& exception) {
      return OneDnnError(doing, exception);
    }
  } else {
    try {
      return absl::StatusOr<Result>(std::forward<Function>(function)());
    } catch (const std::exception& exception) {
      return absl::StatusOr<Result>(OneDnnError(doing, exception));
    }
  }
}

}  // namespace resnetd

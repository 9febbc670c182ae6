#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// For whom the library works: what want of memory means and what helps.
enum class TorchUse { kServing, kTraining };

// The status for an exception that left LibTorch while the program tried to
// do `task` ("classify a batch"): RESOURCE_EXHAUSTED for want of memory
// (serving: OVERLOADED, training: OUT_OF_MEMORY), else INTERNAL (INTERNAL). The
// library's own text goes to the log only.
absl::Status TorchError(absl::string_view task, const std::exception& error,
                        TorchUse use = TorchUse::kServing);

// For what is not even a std::exception.
absl::Status UnknownTorchError(absl::string_view task);

// Writes LibTorch's warnings as lines of our log. Thread-safe.
class WarningsToLog final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override;
};

// The door of the module: runs `body`, which calls LibTorch and returns a
// Status or StatusOr, and turns whatever it throws into a Status. Warnings of
// the calling thread go to our log meanwhile.
template <typename Body>
auto TorchToStatus(absl::string_view task, Body&& body,
                   TorchUse use = TorchUse::kServing) -> decltype(body()) {
  WarningsToLog warnings;
  const c10::WarningUtils::WarningHandlerGuard guard(&warnings);
  try {
    return std::forward<Body>(body)();
  } catch (const std::exception& error) {
    return TorchError(task, error, use);
  } catch (...) {
    return UnknownTorchError(task);
  }
}

}  // namespace resnetd

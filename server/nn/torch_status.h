#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// The status for an exception that left LibTorch while the program tried to
// do `task` ("classify a batch"): RESOURCE_EXHAUSTED (OVERLOADED) for want of
// memory, else INTERNAL (INTERNAL). The library's own text goes to the log
// only.
absl::Status TorchError(absl::string_view task, const std::exception& error);

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
auto TorchToStatus(absl::string_view task, Body&& body) -> decltype(body()) {
  WarningsToLog warnings;
  const c10::WarningUtils::WarningHandlerGuard guard(&warnings);
  try {
    return std::forward<Body>(body)();
  } catch (const std::exception& error) {
    return TorchError(task, error);
  } catch (...) {
    return UnknownTorchError(task);
  }
}

}  // namespace resnetd

#include "server/nn/device_health.h"

#include <utility>

#include "server/base/error.h"
#include "server/base/log.h"

namespace resnetd {

DeviceHealth::DeviceHealth(std::function<bool()> works,
                           std::function<void()> on_broken)
    : works_(std::move(works)), on_broken_(std::move(on_broken)) {}

absl::Status DeviceHealth::BrokenError() {
  return Error(absl::StatusCode::kUnavailable, Reason::kBackendUnavailable,
               "the device of this server failed and the server is about to "
               "end: call another one, or this one again when it is back");
}

absl::Status DeviceHealth::Judge(absl::Status status) {
  // Other codes say what was wrong with the batch or the memory.
  if (status.code() != absl::StatusCode::kInternal || works_()) {
    return status;
  }
  if (!broken_.exchange(true)) {
    Log(LogLevel::kError,
        "the device is broken for this process, which has to be started again");
    if (on_broken_) {
      on_broken_();
    }
  }
  return BrokenError();
}

}  // namespace resnetd

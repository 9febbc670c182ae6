#pragma once

#include <atomic>
#include <functional>

#include "absl/status/status.h"

namespace resnetd {

// Whether a device still computes. After an illegal access, a lost GPU or an
// uncorrectable memory error every later call of the process fails: what then
// fails says nothing of the batch or the step that it was, and no more is given
// to the device.
//
// Thread-safe, but for Judge().
class DeviceHealth {
 public:
  // `works`: a small computation on the device, asked on the thread of Judge();
  // throws nothing. `on_broken`: called once, by that thread, when the device
  // is broken for good; must not call the object. Empty: nobody wants to know.
  DeviceHealth(std::function<bool()> works, std::function<void()> on_broken);

  // What `status`, of work on the device, means: itself; or, where a failure of
  // the library is followed by one of the device, BrokenError(). Call it on the
  // thread that the device is used on.
  absl::Status Judge(absl::Status status);

  bool broken() const { return broken_.load(); }

  // UNAVAILABLE (BACKEND_UNAVAILABLE): the answer to all work from then on.
  static absl::Status BrokenError();

 private:
  const std::function<bool()> works_;
  const std::function<void()> on_broken_;
  std::atomic<bool> broken_ = false;
};

}  // namespace resnetd

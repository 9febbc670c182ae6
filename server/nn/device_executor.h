#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/thread_pool.h"
#include "server/nn/device_health.h"
#include "server/nn/device_stream.h"

namespace resnetd {

// The one thread that gives work to a stream: libraries keep what they measured
// of an operation for each thread, and a stream wants one order.
//
// Thread-safe.
class DeviceExecutor {
 public:
  // Called once, by the thread of the executor, when the device is broken for
  // good; must not call the executor.
  using OnBroken = std::function<void()>;

  // `thread_name`: at most 12 bytes are kept.
  DeviceExecutor(std::unique_ptr<DeviceStream> stream, std::string thread_name,
                 OnBroken on_broken);

  // Runs `work` on the thread and waits for it: for what it enqueues, not for
  // the device. Errors of `work`, of LibTorch as TorchError() has them for
  // `task`; UNAVAILABLE (BACKEND_UNAVAILABLE): the device is broken.
  // RESOURCE_EXHAUSTED (OVERLOADED): thousands wait already.
  absl::Status Run(absl::string_view task,
                   absl::FunctionRef<absl::Status(DeviceStream&)> work);

  // Waits, on the thread of the caller, for an event of the stream. Errors as
  // Run(): what failed on the device comes to light here.
  absl::Status Wait(absl::string_view task, StreamEvent& event);

  bool broken() const { return health_.broken(); }

 private:
  absl::Status RunHere(absl::string_view task,
                       absl::FunctionRef<absl::Status(DeviceStream&)> work);

  const std::unique_ptr<DeviceStream> stream_;
  DeviceHealth health_;
  // Last: its tasks use everything above.
  ThreadPool thread_;
};

}  // namespace resnetd

#include "server/nn/device_executor.h"

#include <utility>

#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/nn/torch_status.h"

namespace resnetd {
namespace {

// How one thread learns what another one made of its work.
class Answer {
 public:
  void Give(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
    // Under the lock: whoever waits destroys this as soon as it may go on.
    const MutexLock lock(mutex_);
    status_ = std::move(status);
    given_ = true;
    changed_.NotifyOne();
  }

  absl::Status Take() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    while (!given_) {
      changed_.Wait(mutex_);
    }
    return std::move(status_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool given_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

DeviceExecutor::DeviceExecutor(std::unique_ptr<DeviceStream> stream,
                               std::string thread_name, OnBroken on_broken)
    : stream_(std::move(stream)),
      health_([this] { return stream_->Works(); }, std::move(on_broken)),
      thread_({.name = std::move(thread_name), .threads = 1}) {}

absl::Status DeviceExecutor::Run(
    absl::string_view task,
    absl::FunctionRef<absl::Status(DeviceStream&)> work) {
  if (broken()) {
    return DeviceHealth::BrokenError();
  }
  Answer answer;
  if (!thread_.TrySubmit([&] { answer.Give(RunHere(task, work)); })) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
                 "too many batches wait for the device; try again later");
  }
  return answer.Take();
}

absl::Status DeviceExecutor::RunHere(
    absl::string_view task,
    absl::FunctionRef<absl::Status(DeviceStream&)> work) {
  if (broken()) {
    return DeviceHealth::BrokenError();
  }
  return health_.Judge(TorchToStatus(task, [&] { return work(*stream_); }));
}

absl::Status DeviceExecutor::Wait(absl::string_view task, StreamEvent& event) {
  absl::Status waited = TorchToStatus(task, [&] {
    event.Wait();
    return absl::OkStatus();
  });
  if (waited.ok()) {
    return waited;
  }
  return Run(task, [&](DeviceStream&) { return std::move(waited); });
}

}  // namespace resnetd

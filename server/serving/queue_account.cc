#include "server/serving/queue_account.h"

#include "server/base/status_macros.h"

namespace resnetd {
namespace {

// Weight of the newest batch in the moving average: old enough to smooth out a
// preempted batch, young enough to follow a new neighbour within 8 batches.
constexpr std::int64_t kAverageOver = 8;

}  // namespace

QueueAccount::QueueAccount(const QueueLimits& limits, std::size_t workers,
                           ModelMetrics& metrics, WorkAhead& ahead)
    : limits_(limits), workers_(workers), metrics_(metrics), ahead_(ahead) {}

void QueueAccount::TellAhead() {
  WorkByPriority work;
  for (std::size_t i = 0; i < kPriorities; ++i) {
    work[i] = per_image_ * images_[i];
  }
  ahead_.Change(told_, work);
  told_ = work;
  // Two stores, under the lock: two threads that wrote in turn could leave the
  // older depth behind.
  metrics_.SetQueue(load_.images, limits_.max_images);
}

absl::Status QueueAccount::Reserve(const AdmissionRequest& request) {
  const MutexLock lock(mutex_);
  const ServiceTime service{.per_image = per_image_,
                            .workers = workers_,
                            .ahead = ahead_.Of(request.priority)};
  RETURN_IF_ERROR(Admit(limits_, load_, service, request));
  load_.images += request.images;
  load_.bytes += request.bytes;
  images_[static_cast<std::size_t>(request.priority)] +=
      static_cast<std::int64_t>(request.images);
  TellAhead();
  return absl::OkStatus();
}

void QueueAccount::Release(Priority priority, std::size_t bytes) {
  const MutexLock lock(mutex_);
  --load_.images;
  load_.bytes -= bytes;
  --images_[static_cast<std::size_t>(priority)];
  TellAhead();
}

void QueueAccount::RecordBatch(std::size_t images, Duration duration) {
  const Duration per_image = duration / static_cast<std::int64_t>(images);
  const MutexLock lock(mutex_);
  per_image_ = per_image_ == Duration::zero()
                   ? per_image
                   : per_image_ + (per_image - per_image_) / kAverageOver;
  TellAhead();
}

QueueLoad QueueAccount::load() const {
  const MutexLock lock(mutex_);
  return load_;
}

}  // namespace resnetd

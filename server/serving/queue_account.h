#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/admission.h"
#include "server/serving/batch_times.h"
#include "server/serving/decode_work.h"
#include "server/serving/work_ahead.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// Who a reservation is of.
struct Holder {
  Priority priority = Priority::kNormal;
  std::string identity{};
};

// Of all models.
struct AccountOptions {
  QueueLimits limits;
  // Batches that run at once; >= 1.
  std::size_t workers = 1;
  // Images in one; >= 1.
  std::size_t max_batch = 4;
  // Sizes that the device runs, see RowsOf(); empty: any.
  std::vector<std::size_t> allowed_batches = {};
};

// Keeps the books of one model's queue: what was let in and is not answered
// yet, whose it is, and how long batches take. Thread-safe.
class QueueAccount {
 public:
  // `metrics`, `ahead` and `decode`, what all models share, outlive this
  // object. Null: nothing is decoded.
  QueueAccount(const AccountOptions& options, ModelMetrics& metrics,
               WorkAhead& ahead, DecodeWork* decode = nullptr);

  // Lets a request in, or says why not (the errors of Admit()). What was let in
  // must be given back by Release(), and what it
  // announced for decoders by ReleaseDecode().
  absl::Status Reserve(const AdmissionRequest& request)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The same answer, without letting it in: whether it is worth reading.
  absl::Status Check(const AdmissionRequest& request)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // One image of `bytes` bytes was answered.
  void Release(const Holder& holder, std::size_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // A picture that announced so much of decoders' time waits for them no more:
  // it is decoded, or nobody wants it.
  void ReleaseDecode(const Holder& holder, Duration announced);

  // A decoder was busy with it for so long.
  void RecordDecode(Duration announced, Duration took);

  // A batch of `images` images took `duration` and ended `now`.
  void RecordBatch(std::size_t images, Duration duration, SteadyTime now)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Images in the largest batch that may run.
  std::size_t max_batch() const { return options_.max_batch; }

  // Rows that the network computes for so many images.
  std::size_t RowsOf(std::size_t images) const;

  // What was learnt so far; never null.
  std::shared_ptr<const BatchTimes> times() const ABSL_LOCKS_EXCLUDED(mutex_);
  QueueLoad load() const ABSL_LOCKS_EXCLUDED(mutex_);
  ModelMetrics& metrics() { return metrics_; }

 private:
  struct Held {
    std::array<std::int64_t, kPriorities> images{};
    std::size_t bytes = 0;
  };

  absl::Status Decide(const AdmissionRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  QueueLoad LoadFor(const AdmissionRequest& request) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellDepth() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const AccountOptions options_;
  ModelMetrics& metrics_;
  WorkAhead& ahead_;
  // May be null.
  DecodeWork* const decode_;
  mutable Mutex mutex_;
  std::size_t images_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Without those that hold nothing.
  std::unordered_map<std::string, Held> held_ ABSL_GUARDED_BY(mutex_);
  SteadyTime crowded_until_ ABSL_GUARDED_BY(mutex_){};
  std::shared_ptr<const BatchTimes> times_ ABSL_GUARDED_BY(mutex_);
  SteadyTime measured_at_ ABSL_GUARDED_BY(mutex_){};
};

}  // namespace resnetd

#include "server/serving/queue_account.h"

#include <chrono>
#include <numeric>
#include <utility>

#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/models/batch_sizes.h"

namespace resnetd {
namespace {

// How long room is kept for callers that found none: some of their retries.
constexpr Duration kCrowdedFor = std::chrono::seconds(1);

}  // namespace

QueueAccount::QueueAccount(const AccountOptions& options, ModelMetrics& metrics,
                           WorkAhead& ahead, DecodeWork* decode)
    : options_(options),
      metrics_(metrics),
      ahead_(ahead),
      decode_(decode),
      times_(std::make_shared<BatchTimes>(options.max_batch,
                                          options.allowed_batches)) {}

std::size_t QueueAccount::RowsOf(std::size_t images) const {
  return resnetd::RowsOf(images, options_.allowed_batches);
}

void QueueAccount::TellDepth() {
  // A store, under the lock: two threads that wrote in turn could leave the
  // older depth behind.
  metrics_.SetQueue(images_, options_.limits.max_images);
}

QueueLoad QueueAccount::LoadFor(const AdmissionRequest& request) const {
  QueueLoad load{.images = images_,
                 .bytes = bytes_,
                 .callers = held_.size() + 1,
                 .is_crowded = request.now < crowded_until_};
  if (const auto own = held_.find(request.identity); own != held_.end()) {
    load.own_images = static_cast<std::size_t>(std::accumulate(
        own->second.images.begin(), own->second.images.end(), std::int64_t{0}));
    load.own_bytes = own->second.bytes;
    --load.callers;
  }
  return load;
}

absl::Status QueueAccount::Decide(const AdmissionRequest& request) {
  // Deadlines may put up to a batch of another caller first.
  const Duration more =
      times_->OfImages(request.images) + times_->OfBatch(options_.max_batch);
  const ServiceTime service{
      .times = times_.get(),
      .workers = options_.workers,
      .ahead = ahead_.Of(request.priority, request.identity, more),
      .measured_ago = request.now - measured_at_,
      .decode = decode_ == nullptr ? DecodeTime{} : decode_->Predict(request)};
  const QueueLoad load = LoadFor(request);
  absl::Status status = Admit(options_.limits, load, service, request);
  if (!status.ok() &&
      DetailsOf(status).reason == ReasonName(Reason::kQueueFull) &&
      load.own_images + request.images <=
          ShareOf(options_.limits.max_images, load) &&
      load.own_bytes + request.bytes <=
          ShareOf(options_.limits.max_bytes, load)) {
    crowded_until_ = request.now + kCrowdedFor;
  }
  return status;
}

absl::Status QueueAccount::Check(const AdmissionRequest& request) {
  const MutexLock lock(mutex_);
  return Decide(request);
}

absl::Status QueueAccount::Reserve(const AdmissionRequest& request) {
  const MutexLock lock(mutex_);
  RETURN_IF_ERROR(Decide(request));
  images_ += request.images;
  bytes_ += request.bytes;
  Held& held = held_[request.identity];
  held.images[static_cast<std::size_t>(request.priority)] +=
      static_cast<std::int64_t>(request.images);
  held.bytes += request.bytes;
  ahead_.Add(request.priority, request.identity,
             times_->PerImage() * static_cast<std::int64_t>(request.images));
  if (decode_ != nullptr) {
    decode_->Add(request.priority, request.identity, request.decode);
  }
  TellDepth();
  return absl::OkStatus();
}

void QueueAccount::Release(const Holder& holder, std::size_t bytes) {
  const MutexLock lock(mutex_);
  --images_;
  bytes_ -= bytes;
  const auto at = held_.find(holder.identity);
  Held& held = at->second;
  --held.images[static_cast<std::size_t>(holder.priority)];
  held.bytes -= bytes;
  if (held.images == decltype(held.images){}) {
    held_.erase(at);
  }
  ahead_.Add(holder.priority, holder.identity, -times_->PerImage());
  TellDepth();
}

void QueueAccount::ReleaseDecode(const Holder& holder, Duration announced) {
  if (decode_ != nullptr) {
    decode_->Add(holder.priority, holder.identity, -announced);
  }
}

void QueueAccount::RecordDecode(Duration announced, Duration took) {
  if (decode_ != nullptr) {
    decode_->Record(announced, took);
  }
}

void QueueAccount::RecordBatch(std::size_t images, Duration duration,
                               SteadyTime now) {
  const MutexLock lock(mutex_);
  auto times = std::make_shared<BatchTimes>(*times_);
  times->Record(images, duration);
  const Duration change = times->PerImage() - times_->PerImage();
  times_ = std::move(times);
  measured_at_ = now;
  if (change == Duration::zero()) {
    return;
  }
  for (const auto& [identity, held] : held_) {
    for (std::size_t i = 0; i < kPriorities; ++i) {
      ahead_.Add(static_cast<Priority>(i), identity, change * held.images[i]);
    }
  }
}

std::shared_ptr<const BatchTimes> QueueAccount::times() const {
  const MutexLock lock(mutex_);
  return times_;
}

QueueLoad QueueAccount::load() const {
  const MutexLock lock(mutex_);
  return {.images = images_, .bytes = bytes_};
}

}  // namespace resnetd

#include "server/serving/decode_work.h"

#include <algorithm>
#include <cstdint>

namespace resnetd {
namespace {

Duration Times(Duration duration, double scale) {
  return Duration(
      static_cast<std::int64_t>(static_cast<double>(duration.count()) * scale));
}

}  // namespace

void DecodeWork::Record(Duration announced, Duration took) {
  if (announced <= Duration::zero()) {
    return;
  }
  const MutexLock lock(mutex_);
  newest_[recorded_ % kKept] = {
      .announced = announced,
      .ratio = static_cast<double>(took.count()) /
               static_cast<double>(announced.count())};
  ++recorded_;
  Learn();
}

void DecodeWork::Learn() {
  std::array<Sample, kKept> sorted = newest_;
  const auto end =
      sorted.begin() + static_cast<std::ptrdiff_t>(std::min(recorded_, kKept));
  std::sort(sorted.begin(), end,
            [](const Sample& a, const Sample& b) { return a.ratio < b.ratio; });
  double total = 0;
  largest_ = {};
  for (auto at = sorted.begin(); at != end; ++at) {
    total += static_cast<double>(at->announced.count());
    largest_ = std::max(largest_, at->announced);
  }
  // The part of each that lies between the first and the last quarter of all.
  double before = 0;
  double sum = 0;
  for (auto at = sorted.begin(); at != end; ++at) {
    const double after = before + static_cast<double>(at->announced.count());
    const double first = std::clamp(before, total / 4, total * 3 / 4);
    const double last = std::clamp(after, total / 4, total * 3 / 4);
    sum += at->ratio * (last - first);
    before = after;
  }
  scale_ = sum / (total / 2);
}

DecodeTime DecodeWork::Predict(const AdmissionRequest& request) const {
  if (request.decode <= Duration::zero()) {
    return {};
  }
  const MutexLock lock(mutex_);
  // Of another caller, one picture may go first for its deadline.
  const Duration ahead =
      ahead_.Of(request.priority, request.identity, request.decode + largest_);
  return {.decoders = decoders_,
          .ahead = Times(ahead, scale_),
          .own = Times(request.decode, scale_)};
}

}  // namespace resnetd

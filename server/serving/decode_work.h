#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "absl/base/thread_annotations.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/admission.h"
#include "server/serving/classify_types.h"
#include "server/serving/work_ahead.h"

namespace resnetd {

// Pictures of all models that were let in and are not decoded yet, as time of
// one decoder, and how that time compares with what headers announce.
//
// The books are kept in announced time (DecodeCost): what was added is taken
// back to the nanosecond, whatever was learnt in between. A prediction is the
// announced time times a scale, which is learnt from the newest pictures:
// weighed by their time, the middle half of the ratios counts, so that neither
// thumbnails nor a decoder that was held up once change what large pictures are
// taken to cost. Nothing learnt: headers are believed. Thread-safe.
class DecodeWork {
 public:
  // Pictures that are decoded at once; >= 1.
  explicit DecodeWork(std::size_t decoders) : decoders_(decoders) {}

  // Announced time of a caller came, or is through or given up (negative).
  void Add(Priority priority, const std::string& identity, Duration announced) {
    ahead_.Add(priority, identity, announced);
  }

  // A decoder was busy for `took` with a picture that announced so much;
  // nothing is learnt of one that announced none.
  void Record(Duration announced, Duration took) ABSL_LOCKS_EXCLUDED(mutex_);

  // For who asks to be let in: all zero if nothing of it is to be decoded.
  DecodeTime Predict(const AdmissionRequest& request) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Announced and not taken back.
  Duration announced() const { return ahead_.total(); }

 private:
  static constexpr std::size_t kKept = 32;
  struct Sample {
    Duration announced{};
    double ratio = 1;  // of what it took to that
  };
  void Learn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t decoders_;
  WorkAhead ahead_;
  mutable Mutex mutex_;
  // A ring, full at kKept.
  std::array<Sample, kKept> newest_ ABSL_GUARDED_BY(mutex_){};
  std::size_t recorded_ ABSL_GUARDED_BY(mutex_) = 0;
  double scale_ ABSL_GUARDED_BY(mutex_) = 1;
  // Announced by the largest of them.
  Duration largest_ ABSL_GUARDED_BY(mutex_){};
};

}  // namespace resnetd

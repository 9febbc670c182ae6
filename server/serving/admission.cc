#include "server/serving/admission.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

std::int64_t Milliseconds(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

// When to try again: once a quarter of what waits is through. Not sooner than
// 20 ms (a retry costs the server a message) and not later than 10 s (the
// prediction is worth nothing that far ahead).
Duration RetryAfter(const ServiceTime& service, const QueueLoad& load) {
  const Duration quarter = PredictDuration(service, load.images / 4 + 1);
  return std::clamp<Duration>(quarter, milliseconds(20),
                              std::chrono::seconds(10));
}

}  // namespace

Duration PredictDuration(const ServiceTime& service, std::size_t images) {
  const auto count = static_cast<std::int64_t>(images);
  const auto workers = static_cast<std::int64_t>(service.workers);
  return service.per_image * count / std::max<std::int64_t>(workers, 1);
}

absl::Status Admit(const QueueLimits& limits, const QueueLoad& load,
                   const ServiceTime& service, std::size_t images,
                   std::size_t bytes, SteadyTime now, SteadyTime deadline) {
  if (deadline <= now) {
    return Error(absl::StatusCode::kDeadlineExceeded, Reason::kExpiredInQueue,
                 "the deadline had passed before the request was looked at");
  }
  if (load.images + images > limits.max_images) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                 absl::StrCat("the queue of the model holds ", load.images,
                              " images and cannot take ", images,
                              " more (limit ", limits.max_images,
                              ", --max-queue-images): try again later"))
        .Metadata("limit_name", "max-queue-images")
        .Metadata("limit", absl::StrCat(limits.max_images))
        .RetryAfter(RetryAfter(service, load));
  }
  // An empty queue takes any request: a request alone can always be answered.
  if (load.images > 0 && load.bytes + bytes > limits.max_bytes) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                 absl::StrCat("the queue of the model holds ", load.bytes,
                              " bytes of images and cannot take ", bytes,
                              " more (limit ", limits.max_bytes,
                              ", --max-queue-bytes): try again later"))
        .Metadata("limit_name", "max-queue-bytes")
        .Metadata("limit", absl::StrCat(limits.max_bytes))
        .RetryAfter(RetryAfter(service, load));
  }
  const Duration wait = PredictDuration(service, load.images);
  if (wait > limits.max_wait) {
    return Error(
               absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               absl::StrCat("the request would wait about ", Milliseconds(wait),
                            " ms (limit ", Milliseconds(limits.max_wait),
                            " ms, --max-queue-wait-ms): try again later"))
        .Metadata("limit_name", "max-queue-wait-ms")
        .Metadata("limit", absl::StrCat(Milliseconds(limits.max_wait)))
        .Metadata("predicted_ms", absl::StrCat(Milliseconds(wait)))
        .RetryAfter(RetryAfter(service, load));
  }
  const Duration finish = PredictDuration(service, load.images + images);
  if (deadline != kNoDeadline && now + finish > deadline) {
    return Error(absl::StatusCode::kDeadlineExceeded,
                 Reason::kDeadlineUnreachable,
                 absl::StrCat("the answer would take about ",
                              Milliseconds(finish), " ms, the deadline leaves ",
                              Milliseconds(deadline - now),
                              " ms: allow more time or send fewer images"))
        .Metadata("predicted_ms", absl::StrCat(Milliseconds(finish)));
  }
  return absl::OkStatus();
}

}  // namespace resnetd

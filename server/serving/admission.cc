#include "server/serving/admission.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

// Long beside a batch, short beside the time in which somebody notices.
constexpr Duration kTrialAfter = std::chrono::seconds(1);

std::int64_t Milliseconds(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

// When to try again: once a quarter of what waits is through. Not sooner than
// 20 ms (a retry costs the server a message) and not later than 10 s (the
// prediction is worth nothing that far ahead).
Duration RetryAfter(const ServiceTime& service) {
  return std::clamp<Duration>(PredictWait(service) / 4, milliseconds(20),
                              std::chrono::seconds(10));
}

std::int64_t WorkersOf(const ServiceTime& service) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(service.workers), 1);
}

std::int64_t DecodersOf(const DecodeTime& decode) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(decode.decoders), 1);
}

Duration DecodeWait(const DecodeTime& decode) {
  return decode.own == Duration::zero() ? Duration::zero()
                                        : decode.ahead / DecodersOf(decode);
}

std::int64_t RoundsOf(std::int64_t images, std::int64_t at_once) {
  return (images + at_once - 1) / at_once;
}

absl::Status QueueFull(const ServiceTime& service, absl::string_view text,
                       absl::string_view limit_name, std::size_t limit) {
  return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull, text)
      .Metadata("limit_name", limit_name)
      .Metadata("limit", absl::StrCat(limit))
      .RetryAfter(RetryAfter(service));
}

// Whether it is within the caller's share of a crowded queue.
absl::Status CheckShare(const QueueLimits& limits, const QueueLoad& load,
                        const ServiceTime& service,
                        const AdmissionRequest& request) {
  const std::size_t images = ShareOf(limits.max_images, load);
  if (load.own_images + request.images > images) {
    return QueueFull(
        service,
        absl::StrCat("the queue of the model holds ", load.own_images,
                     " images of this caller, others wait for room (share ",
                     images, " of --max-queue-images): try again later"),
        "max-queue-images", limits.max_images);
  }
  const std::size_t bytes = ShareOf(limits.max_bytes, load);
  if (load.own_bytes + request.bytes > bytes) {
    return QueueFull(
        service,
        absl::StrCat("the queue of the model holds ", load.own_bytes,
                     " bytes of this caller, others wait for room (share ",
                     bytes, " of --max-queue-bytes): try again later"),
        "max-queue-bytes", limits.max_bytes);
  }
  return absl::OkStatus();
}

// Whether there is room for it.
absl::Status CheckRoom(const QueueLimits& limits, const QueueLoad& load,
                       const ServiceTime& service,
                       const AdmissionRequest& request) {
  if (load.images + request.images > limits.max_images) {
    return QueueFull(service,
                     absl::StrCat("the queue of the model holds ", load.images,
                                  " images and cannot take ", request.images,
                                  " more (limit ", limits.max_images,
                                  ", --max-queue-images): try again later"),
                     "max-queue-images", limits.max_images);
  }
  // An empty queue takes any request: a request alone can always be answered.
  if (load.images > 0 && load.bytes + request.bytes > limits.max_bytes) {
    return QueueFull(
        service,
        absl::StrCat("the queue of the model holds ", load.bytes,
                     " bytes of images and cannot take ", request.bytes,
                     " more (limit ", limits.max_bytes,
                     ", --max-queue-bytes): try again later"),
        "max-queue-bytes", limits.max_bytes);
  }
  if (load.is_crowded && load.own_images > 0) {
    return CheckShare(limits, load, service, request);
  }
  return absl::OkStatus();
}

}  // namespace

std::size_t ShareOf(std::size_t limit, const QueueLoad& load) {
  const std::size_t shares = load.callers + (load.is_crowded ? 1 : 0);
  return limit / std::max<std::size_t>(shares, 1);
}

Duration PredictWait(const ServiceTime& service) {
  return std::max(service.ahead / WorkersOf(service),
                  DecodeWait(service.decode));
}

Duration PredictFinish(const ServiceTime& service, std::size_t images) {
  static const BatchTimes unknown;
  const BatchTimes& times = service.times == nullptr ? unknown : *service.times;
  const auto count =
      std::max<std::int64_t>(static_cast<std::int64_t>(images), 1);
  const std::int64_t workers = WorkersOf(service);
  // Of the worker that has most of them.
  const auto share = static_cast<std::size_t>(RoundsOf(count, workers));
  const Duration computed = times.OfImages(share);
  const Duration free = service.ahead / workers * 5 / 4;
  const DecodeTime& decode = service.decode;
  if (decode.own == Duration::zero()) {
    return free + computed;
  }
  const Duration each = decode.own / count;
  const Duration begin = DecodeWait(decode) * 5 / 4;
  const Duration decoded = begin + each * RoundsOf(count, DecodersOf(decode));
  return std::max(std::max(free, begin + each) + computed,
                  decoded + times.OfBatch(std::min(share, times.max_batch())));
}

absl::Status Admit(const QueueLimits& limits, const QueueLoad& load,
                   const ServiceTime& service,
                   const AdmissionRequest& request) {
  if (request.deadline <= request.now) {
    return Error(absl::StatusCode::kDeadlineExceeded, Reason::kExpiredInQueue,
                 "the deadline had passed before the request was looked at");
  }
  RETURN_IF_ERROR(CheckRoom(limits, load, service, request));
  const Duration wait = PredictWait(service);
  if (wait > limits.max_wait && request.priority != Priority::kBatch) {
    return Error(
               absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               absl::StrCat("the request would wait about ", Milliseconds(wait),
                            " ms (limit ", Milliseconds(limits.max_wait),
                            " ms, --max-queue-wait-ms): try again later"))
        .Metadata("limit_name", "max-queue-wait-ms")
        .Metadata("limit", absl::StrCat(Milliseconds(limits.max_wait)))
        .Metadata("predicted_ms", absl::StrCat(Milliseconds(wait)))
        .RetryAfter(RetryAfter(service));
  }
  const Duration finish = PredictFinish(service, request.images);
  const bool is_trial = service.ahead == Duration::zero() &&
                        service.decode.ahead == Duration::zero() &&
                        service.measured_ago >= kTrialAfter;
  if (request.deadline != kNoDeadline && !is_trial &&
      request.now + finish > request.deadline) {
    return Error(absl::StatusCode::kDeadlineExceeded,
                 Reason::kDeadlineUnreachable,
                 absl::StrCat("the answer would take about ",
                              Milliseconds(finish), " ms, the deadline leaves ",
                              Milliseconds(request.deadline - request.now),
                              " ms: allow more time or send fewer images"))
        .Metadata("predicted_ms", absl::StrCat(Milliseconds(finish)));
  }
  return absl::OkStatus();
}

}  // namespace resnetd

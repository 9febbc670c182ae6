#include "server/serving/pending_request.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/serving/tensor_image.h"

namespace resnetd {
absl::string_view RejectionLabel(const absl::Status& status) {
  const ErrorDetails details = DetailsOf(status);
  for (const auto& [key, value] : details.metadata) {
    if (key == "quota") {
      return "quota";
    }
  }
  const std::string& reason = details.reason;
  if (reason == ReasonName(Reason::kImageDecodeFailed)) {
    return "bad_image";
  }
  if (reason == ReasonName(Reason::kLimitExceeded)) {
    return "too_large";
  }
  if (reason == ReasonName(Reason::kOverloaded)) {
    return "overloaded";
  }
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return "queue_full";
    case absl::StatusCode::kDeadlineExceeded:
      return "deadline";
    case absl::StatusCode::kUnavailable:
      return "draining";
    default:
      return "";
  }
}

std::size_t SourceBytes(const ImageSource& source) {
  if (const auto* encoded = std::get_if<EncodedImage>(&source)) {
    return encoded->bytes.size();
  }
  if (const auto* pixels = std::get_if<PixelImage>(&source)) {
    return pixels->pixels.rgb.size();
  }
  if (const auto* tensor = std::get_if<TensorImage>(&source)) {
    return tensor->bytes.size() + NormalisedBytes(*tensor);
  }
  return 0;
}

std::size_t HeldBytes(const ImageSource& source, int crop) {
  const std::size_t bytes = SourceBytes(source);
  const auto side = static_cast<std::size_t>(crop);
  const std::size_t pixels = 3 * side * side;
  if (std::holds_alternative<EncodedImage>(source)) {
    return bytes + pixels;
  }
  return std::holds_alternative<PixelImage>(source) ? std::max(bytes, pixels)
                                                    : bytes;
}

PendingRequest::PendingRequest(ClassifyRequest request, ModelHandle version,
                               QueueAccount& account, const Clock& clock,
                               Done done, std::vector<DecodeCost> decode)
    : request_(std::move(request)),
      version_(std::move(version)),
      account_(account),
      clock_(clock),
      holder_{.priority = request_.priority, .identity = request_.identity},
      decode_(std::move(decode)),
      done_(std::move(done)) {
  decode_.resize(request_.images.size());
  held_bytes_.reserve(request_.images.size());
  for (const ImageSource& source : request_.images) {
    held_bytes_.push_back(HeldBytes(source, version_->facts.preprocess.crop));
  }
  const MutexLock lock(mutex_);
  results_.resize(request_.images.size(), absl::UnknownError("not finished"));
  remaining_ = request_.images.size();
}

void PendingRequest::Decoded(std::size_t index, Duration took) {
  account_.RecordDecode(decode_[index].time, took);
  ReleaseDecode(index);
}

void PendingRequest::ReleaseDecode(std::size_t index) {
  account_.ReleaseDecode(holder_,
                         std::exchange(decode_[index].time, Duration::zero()));
}

PixelImage PendingRequest::TakePixels(std::size_t index) {
  return std::move(std::get<PixelImage>(request_.images[index]));
}

bool PendingRequest::IsWanted(SteadyTime now) {
  if (request_.cancelled && request_.cancelled->load()) {
    Fail(Error(absl::StatusCode::kCancelled, Reason::kCancelled,
               "the caller cancelled the request"));
    return false;
  }
  if (request_.deadline <= now) {
    Fail(Error(absl::StatusCode::kDeadlineExceeded, Reason::kExpiredInQueue,
               "the deadline passed while the request waited: allow more time "
               "or send fewer images"));
    return false;
  }
  const MutexLock lock(mutex_);
  return failure_.ok();
}

void PendingRequest::Finish(std::size_t index,
                            absl::StatusOr<Classification> outcome) {
  account_.metrics().CountImage(outcome.status().code());
  // What expired was let in: CountIfLate() counts that.
  if (const absl::string_view label = RejectionLabel(outcome.status());
      !label.empty() && !absl::IsDeadlineExceeded(outcome.status())) {
    account_.metrics().CountRejected(label);
  }
  // Before the answer: who sends the next request on receiving it finds room.
  ReleaseDecode(index);
  account_.Release(holder_, held_bytes_[index]);
  const bool alone = request_.images.size() == 1;
  if (!outcome.ok() && (alone || request_.fail_fast)) {
    const std::string field = absl::StrCat("images[", index, "]");
    Fail(Annotate(outcome.status(), absl::StrCat(field, ": "), field));
  }
  Done done;
  absl::StatusOr<ClassifyResponse> answer = absl::UnknownError("not answered");
  {
    const MutexLock lock(mutex_);
    results_[index] = std::move(outcome);
    if (--remaining_ == 0) {
      answer = BuildAnswer();
      done = std::move(done_);
    }
  }
  if (done) {
    done(std::move(answer));
  }
}

void PendingRequest::FinishUnwanted(std::size_t index) {
  bool is_late = false;
  {
    const MutexLock lock(mutex_);
    is_late = absl::IsDeadlineExceeded(failure_);
  }
  Finish(index, is_late ? absl::DeadlineExceededError("the deadline passed")
                        : absl::CancelledError("not wanted any more"));
}

void PendingRequest::CountIfLate(Stage stage, SteadyTime now) {
  if (now >= request_.deadline) {
    account_.metrics().CountDeadlineMissed(stage);
  }
}

void PendingRequest::Fail(absl::Status status) {
  const MutexLock lock(mutex_);
  if (failure_.ok()) {
    failure_ = std::move(status);
  }
}

void PendingRequest::AddDecode(Duration wait, Duration decode,
                               Duration preprocess) {
  const MutexLock lock(mutex_);
  timings_.queue = std::max(timings_.queue, wait);
  timings_.decode += decode;
  timings_.preprocess += preprocess;
}

void PendingRequest::AddBatch(const BatchShare& share) {
  const MutexLock lock(mutex_);
  timings_.queue = std::max(timings_.queue, share.wait);
  timings_.compute += share.compute;
  timings_.postprocess += share.postprocess;
  if (const auto images = static_cast<int>(share.images);
      images > timings_.batch_size) {
    timings_.batch_size = images;
    timings_.batch_close = share.close;
  }
}

absl::StatusOr<ClassifyResponse> PendingRequest::BuildAnswer() {
  if (!failure_.ok()) {
    return failure_;
  }
  timings_.total = clock_.Now() - request_.arrived;
  return ClassifyResponse{.results = std::move(results_),
                          .served_by = version_,
                          .alias = AliasOf(request_.model),
                          .timings = timings_};
}

}  // namespace resnetd

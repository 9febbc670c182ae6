#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/classify_types.h"
#include "server/serving/decode_memory.h"
#include "server/serving/queue_account.h"

namespace resnetd {

// What an image has to do with the batch that it ran in.
struct BatchShare {
  Duration wait{};
  // Of the batch, for one image of each request in it; nothing for the others.
  Duration compute{};
  Duration postprocess{};
  // In the batch.
  std::size_t images = 1;
  BatchClose close = BatchClose::kDrained;
};

// A request on its way: collects the outcome of every image and answers once,
// when the last one is in. Until then the caller's bytes are alive, so whoever
// reads them must do so before Finish() of that image.
//
// Shared by the images of the request (decode tasks, queue, worker).
// Thread-safe.
class PendingRequest {
 public:
  using Done = std::function<void(absl::StatusOr<ClassifyResponse>)>;

  // `account` holds a reservation for every image, and for what it costs to
  // decode it (`decode`, one for each image; empty: nothing); each is released
  // as its image finishes. `account` and `clock` outlive this object.
  PendingRequest(ClassifyRequest request, ModelHandle version,
                 QueueAccount& account, const Clock& clock, Done done,
                 std::vector<DecodeCost> decode = {});

  const ClassifyRequest& request() const { return request_; }
  const ModelHandle& version() const { return version_; }
  QueueAccount& account() { return account_; }
  // What it costs to decode image `index`; no time once that is over. For who
  // has the image, as Decoded() is.
  const DecodeCost& decode_cost(std::size_t index) const {
    return decode_[index];
  }
  // It is decoded: a decoder was busy with it for `took`. At most once per
  // image, before it is finished.
  void Decoded(std::size_t index, Duration took);
  // The pixels of image `index`, taken out of the request. Once per image.
  PixelImage TakePixels(std::size_t index);

  // False when the answer is decided already or nobody waits for it any more:
  // cancelled, past its deadline, or failed. The reason becomes the answer.
  // Costly steps ask first.
  bool IsWanted(SteadyTime now) ABSL_LOCKS_EXCLUDED(mutex_);

  // Counts the image if its deadline has passed at `now`, before `stage` or in
  // it.
  void CountIfLate(Stage stage, SteadyTime now);

  // Exactly once per image. The call that finishes the last image answers the
  // request from within.
  void Finish(std::size_t index, absl::StatusOr<Classification> outcome)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The same for an image of a request that IsWanted() has denied: counted as
  // DEADLINE_EXCEEDED where its time was up, else as CANCELLED.
  void FinishUnwanted(std::size_t index) ABSL_LOCKS_EXCLUDED(mutex_);

  // Decides the whole answer; the first call wins. The images must still be
  // finished one by one.
  void Fail(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // Adds to the request's timings.
  void AddDecode(Duration wait, Duration decode, Duration preprocess)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void AddBatch(const BatchShare& share) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void ReleaseDecode(std::size_t index);
  absl::StatusOr<ClassifyResponse> BuildAnswer()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ClassifyRequest request_;
  const ModelHandle version_;
  QueueAccount& account_;
  const Clock& clock_;
  const Holder holder_;
  // Bytes reserved for each image.
  std::vector<std::size_t> held_bytes_;
  // Of each image; its time is what is reserved. Images are handed from thread
  // to thread, and each is touched only by who has it.
  std::vector<DecodeCost> decode_;
  Mutex mutex_;
  // Called once, by the Finish() that sees `remaining_` reach zero.
  Done done_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::StatusOr<Classification>> results_ ABSL_GUARDED_BY(mutex_);
  std::size_t remaining_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  Timings timings_ ABSL_GUARDED_BY(mutex_);
};

// Label "reason" of resnetd_rejected_total for `status`; empty: not a refusal.
absl::string_view RejectionLabel(const absl::Status& status);

// Bytes that image `source` holds as it comes.
std::size_t SourceBytes(const ImageSource& source);

// The most that it holds until its batch has run, of a network that reads
// pictures of `crop` x `crop` pixels: an encoded one beside its pixels there.
std::size_t HeldBytes(const ImageSource& source, int crop);

}  // namespace resnetd

#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <memory>
#include <utility>
#include <vector>

#include "server/serving/batch_queue.h"
#include "server/serving/pending_request.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_model.h"

namespace resnetd {

// The answer of one request, as a future.
class AnswerBox {
 public:
  PendingRequest::Done Taker() {
    return [this](absl::StatusOr<ClassifyResponse> answer) {
      promise_.set_value(std::move(answer));
    };
  }
  bool HasAnswer() {
    return future_.wait_for(std::chrono::seconds(0)) ==
           std::future_status::ready;
  }
  // Waits for it. Once.
  absl::StatusOr<ClassifyResponse> Take() { return future_.get(); }

 private:
  std::promise<absl::StatusOr<ClassifyResponse>> promise_;
  std::future<absl::StatusOr<ClassifyResponse>> future_ = promise_.get_future();
};

// A request of `images` pictures at network size, the i-th with red i.
inline ClassifyRequest PixelRequest(std::size_t images) {
  ClassifyRequest request;
  for (std::size_t i = 0; i < images; ++i) {
    request.images.emplace_back(
        PixelImage{.pixels = FakePixels(static_cast<std::uint8_t>(i)),
                   .at_network_size = true});
  }
  return request;
}

// A hook for FakeModel that holds the first batch until it is released; later
// ones pass.
class FirstBatchHeld {
 public:
  FakeModel::Hook Hook() {
    return [this](std::size_t) {
      if (!seen_.exchange(true)) {
        running_.count_down();
        released_.wait();
      }
      return absl::OkStatus();
    };
  }
  // Returns once the first batch runs.
  void WaitUntilRunning() { running_.wait(); }
  void Release() { release_.set_value(); }

 private:
  std::atomic<bool> seen_{false};
  std::latch running_{1};
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
};

// Makes pending requests by hand, as Classifier would, without its threads.
struct ServingFixture {
  explicit ServingFixture(const AccountOptions& options = {})
      : account(options, NullModelMetrics(), ahead) {}

  FakeClock clock;
  WorkAhead ahead;
  QueueAccount account;
  ModelHandle version = FakeVersion(FakeFacts());

  std::shared_ptr<PendingRequest> Make(ClassifyRequest request,
                                       AnswerBox& answer) {
    std::size_t bytes = 0;
    for (const ImageSource& source : request.images) {
      bytes += HeldBytes(source, version->facts.preprocess.crop);
    }
    request.arrived = clock.Now();
    account
        .Reserve({.images = request.images.size(),
                  .bytes = bytes,
                  .priority = request.priority,
                  .now = clock.Now(),
                  .identity = request.identity})
        .IgnoreError();
    return std::make_shared<PendingRequest>(std::move(request), version,
                                            account, clock, answer.Taker());
  }

  // Image `index` of `request`, decoded, as it enters the queue.
  QueuedImage Decoded(const std::shared_ptr<PendingRequest>& request,
                      std::size_t index) {
    return {.request = request,
            .index = index,
            .pixels = request->TakePixels(index).pixels,
            .normalised = {},
            .decode_wait = {},
            .enqueued_at = clock.Now(),
            .times = account.times()};
  }
};

}  // namespace resnetd

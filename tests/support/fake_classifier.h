#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/classifier.h"

namespace resnetd {

// A Classifier that answers when and what the test says. Thread-safe.
//
// By default each request is answered at once: a usable image gets one
// prediction whose index is its number of bytes, an unusable one its error.
class FakeClassifier final : public Classifier {
 public:
  using Answer =
      std::function<absl::StatusOr<ClassifyResponse>(const ClassifyRequest&)>;

  explicit FakeClassifier(ModelHandle served_by = nullptr)
      : served_by_(std::move(served_by)) {}

  // From here on requests wait for Release().
  void Hold() {
    MutexLock lock(mutex_);
    holds_ = true;
  }

  // What to answer instead of the default; called when the answer is given, so
  // that it sees the images' bytes as late as a model would.
  void SetAnswer(Answer answer) {
    MutexLock lock(mutex_);
    answer_ = std::move(answer);
  }

  // What Check() is to say.
  void SetCheck(std::function<absl::Status(const ClassifyOutline&)> check) {
    MutexLock lock(mutex_);
    check_ = std::move(check);
  }
  absl::Status Check(const ClassifyOutline& outline) override {
    std::function<absl::Status(const ClassifyOutline&)> check;
    {
      MutexLock lock(mutex_);
      check = check_;
    }
    return check ? check(outline) : absl::OkStatus();
  }

  // Waits until `count` requests are held.
  void AwaitHeld(std::size_t count) {
    MutexLock lock(mutex_);
    while (held_.size() < count) {
      changed_.Wait(mutex_);
    }
  }

  // Waits until the oldest held request was cancelled by its caller.
  void AwaitCancelled() {
    AwaitHeld(1);
    CancelFlag cancelled;
    {
      MutexLock lock(mutex_);
      cancelled = held_.front().request.cancelled;
    }
    while (!cancelled->load()) {
      std::this_thread::yield();
    }
  }
  // Until the deadline of the first held request has passed here: the caller's
  // own clock may have run out a little earlier.
  void AwaitDeadline() {
    AwaitHeld(1);
    SteadyTime deadline;
    {
      MutexLock lock(mutex_);
      deadline = held_.front().request.deadline;
    }
    while (RealClock().Now() < deadline) {
      std::this_thread::yield();
    }
  }

  // Answers the held request at `place`, the oldest being 0.
  void ReleaseOne(std::size_t place) {
    std::optional<Pending> pending;
    {
      MutexLock lock(mutex_);
      const auto at = held_.begin() + static_cast<std::ptrdiff_t>(place);
      pending = std::move(*at);
      held_.erase(at);
    }
    pending->done(AnswerTo(pending->request));
  }

  // Answers what is held, and what comes from here on at once.
  void Release() {
    std::vector<Pending> held;
    {
      MutexLock lock(mutex_);
      holds_ = false;
      held.swap(held_);
    }
    for (Pending& pending : held) {
      pending.done(AnswerTo(pending.request));
    }
  }

  void Classify(ClassifyRequest request, Done done) override {
    {
      MutexLock lock(mutex_);
      ++requests_;
      if (holds_) {
        held_.push_back({std::move(request), std::move(done)});
        most_held_ = std::max(most_held_, held_.size());
        changed_.NotifyAll();
        return;
      }
    }
    done(AnswerTo(request));
  }

  // The answer without SetAnswer().
  ClassifyResponse DefaultAnswer(const ClassifyRequest& request) const {
    ClassifyResponse response;
    for (const ImageSource& source : request.images) {
      if (const auto* error = std::get_if<absl::Status>(&source)) {
        response.results.emplace_back(*error);
        continue;
      }
      Classification classification;
      if (request.want_embedding) {
        classification.embedding = {static_cast<float>(SizeOf(source)), 0.5F};
      }
      classification.predictions.push_back({.index = SizeOf(source),
                                            .label = "size",
                                            .probability = 0.75F,
                                            .logit = 1.5F});
      response.results.emplace_back(std::move(classification));
    }
    response.served_by = served_by_;
    return response;
  }

  void Close() override {}

  std::size_t in_flight() const override {
    MutexLock lock(mutex_);
    return held_.size();
  }

  // Most requests ever held at once.
  std::size_t most_held() const {
    MutexLock lock(mutex_);
    return most_held_;
  }

  // Requests that ever came.
  std::size_t requests() const {
    MutexLock lock(mutex_);
    return requests_;
  }

 private:
  struct Pending {
    ClassifyRequest request;
    Done done;
  };

  absl::StatusOr<ClassifyResponse> AnswerTo(const ClassifyRequest& request) {
    Answer answer;
    {
      MutexLock lock(mutex_);
      answer = answer_;
    }
    return answer ? answer(request) : DefaultAnswer(request);
  }

  static int SizeOf(const ImageSource& source) {
    if (const auto* encoded = std::get_if<EncodedImage>(&source)) {
      return static_cast<int>(encoded->bytes.size());
    }
    if (const auto* tensor = std::get_if<TensorImage>(&source)) {
      return static_cast<int>(tensor->bytes.size());
    }
    return static_cast<int>(std::get<PixelImage>(source).pixels.rgb.size());
  }

  const ModelHandle served_by_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool holds_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<absl::Status(const ClassifyOutline&)> check_
      ABSL_GUARDED_BY(mutex_);
  Answer answer_ ABSL_GUARDED_BY(mutex_);
  std::size_t requests_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Pending> held_ ABSL_GUARDED_BY(mutex_);
  std::size_t most_held_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace resnetd

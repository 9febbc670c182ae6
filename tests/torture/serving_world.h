#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <tuple>
#include <vector>

#include "server/serving/batch_worker.h"
#include "server/serving/decode_work.h"
#include "server/serving/image_queue.h"
#include "server/serving/queue_account.h"
#include "server/serving/rate_limiter.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/torture/serving_oracle.h"
#include "tests/torture/serving_scenario.h"

namespace resnetd {

// What came of one world.
struct ServingReport {
  std::vector<std::string> violations;
  Duration simulated{};
  std::size_t calls = 0;
  std::size_t refused = 0;
  std::size_t answered = 0;
  std::size_t failed = 0;
  std::size_t images_run = 0;
  // Of each caller.
  std::vector<std::size_t> calls_of;
  std::vector<std::size_t> answered_of;
  // Calls that came from five seconds after the flood on.
  std::size_t calls_after_flood = 0;
  std::size_t answered_after_flood = 0;
  // From a call to its answer, of those that were answered.
  std::vector<Duration> latencies;
};

// The scheduler of the server (admission, rates, the order of images, the
// building and finishing of batches) with decoders, workers and callers that
// are events of one thread on a fake clock. Every step is judged.
class ServingWorld {
 public:
  ServingWorld(std::uint64_t seed, Sabotage sabotage)
      : ServingWorld(ServingScenario(seed), seed, sabotage) {}
  ServingWorld(ServingScenario scenario, std::uint64_t seed, Sabotage sabotage);
  ServingReport Run();

 private:
  enum class Kind {
    kArrive,
    kAgain,
    kDecoded,
    kBatchDone,
    kCancel,
    kStorm,
    kLoad
  };
  struct Event {
    SteadyTime at;
    std::uint64_t order = 0;
    Kind kind = Kind::kArrive;
    std::size_t subject = 0;  // caller, image, batch or call
    bool operator<(const Event& other) const {
      return std::tie(other.at, other.order) < std::tie(at, order);
    }
  };
  // What somebody wants of the server.
  struct Wish {
    std::size_t caller = 0;
    std::size_t model = 0;
    Priority priority = Priority::kNormal;
    std::size_t images = 1;
    Duration patience{};
    int retries = 0;
    bool is_after_flood = false;
  };
  struct Call {
    CancelFlag cancelled;
    SteadyTime deadline;
    std::size_t images = 0;
    std::size_t answers = 0;
    bool is_ok = false;
  };
  struct Image {
    std::shared_ptr<PendingRequest> request;  // until it waits or is dropped
    std::size_t index = 0;
    WaitingImage waiting;
    SteadyTime decoded_from;
  };

  void Plan(Duration after, Kind kind, std::size_t subject);
  void Handle(const Event& event);
  void Arrive(std::size_t caller);
  // The number of the call, if it was let in.
  std::optional<std::size_t> Ask(Wish wish);
  std::size_t Start(const Wish& wish, ClassifyRequest request);
  bool Reserve(std::size_t model, const AdmissionRequest& asked);
  void Decode(const std::shared_ptr<PendingRequest>& request,
              const WaitingImage& waiting);
  // By each image, as the server is told.
  Duration Announced() const;
  void StartDecoding();
  Duration DrawDecodeTime();
  void Decoded(std::size_t image);
  void Enqueue(std::size_t image);
  void DropUndecoded(std::size_t image);
  void Dispatch();
  // False when there is nothing to do for an idle worker.
  bool StartNext();
  void Judge(const TakenBatch& taken);
  Duration DrawBatchTime(std::size_t model, std::size_t images);
  void FinishBatchOf(std::size_t batch);
  void CheckBooks();
  // After everything: nobody was forgotten, and the server still answers.
  void CheckEnd();
  void CheckStillAnswers();
  void Violated(const std::string& what) { report_.violations.push_back(what); }
  std::size_t ModelOf(const QueuedImage& image) const;
  static std::uint64_t IdOf(const QueuedImage& image);

  const Sabotage sabotage_;
  SeededRandom random_;
  const ServingScenario scenario_;
  FakeClock clock_;
  ServingReport report_;
  ServingOracle oracle_;
  WorkAhead ahead_;
  DecodeWork decode_work_;
  RateLimiter limiter_;
  std::vector<std::unique_ptr<QueueAccount>> accounts_;
  std::vector<ModelHandle> versions_;
  ImageQueue queue_;
  std::priority_queue<Event> events_;
  std::uint64_t next_order_ = 0;
  std::vector<Call> calls_;
  std::vector<Wish> refused_;  // that will be asked for again
  std::vector<Image> images_;
  std::vector<RunningBatch> batches_;
  ImageQueue decode_queue_{ImageQueue::Options{}};
  std::size_t idle_decoders_;
  std::int64_t undecoded_ = 0;     // images, counted here
  std::vector<std::size_t> held_;  // images of each model, counted here
  std::size_t idle_workers_;
  std::size_t arrivals_left_;
  double load_ = 1;
  SteadyTime begin_;
};

}  // namespace resnetd

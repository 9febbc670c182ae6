#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <tuple>
#include <vector>

#include "server/rpc/call_gate.h"
#include "server/serving/batch_worker.h"
#include "server/serving/decode_queue.h"
#include "server/serving/decode_work.h"
#include "server/serving/image_queue.h"
#include "server/serving/queue_account.h"
#include "server/serving/rate_limiter.h"
#include "tests/support/seeded_random.h"
#include "tests/torture/decode_oracle.h"
#include "tests/torture/gate_oracle.h"
#include "tests/torture/serving_oracle.h"
#include "tests/torture/serving_scenario.h"
#include "tests/torture/world_clock.h"

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

  friend bool operator==(const ServingReport&, const ServingReport&) = default;
};

// The scheduler of the server (calls in flight, admission, rates, the order of
// images, the memory of decoders, the building and finishing of batches) with
// decoders, workers and callers that
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
    kSent,
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
  // Through the gate.
  struct Passage {
    CallGate::Ticket ticket;
    Caller caller;
    std::size_t bytes = 0;
    bool is_answered = false;
  };
  struct Call {
    CancelFlag cancelled;
    SteadyTime deadline;
    std::size_t images = 0;
    std::size_t answers = 0;
    bool is_ok = false;
    Passage passage;
  };
  struct Image {
    std::shared_ptr<PendingRequest> request;  // until it waits or is dropped
    std::size_t index = 0;
    WaitingImage waiting;
    SteadyTime decoded_from;
    Duration announced{};
    DecodeLease lease;
  };

  void Plan(Duration after, Kind kind, std::size_t subject);
  void Handle(const Event& event);
  void Arrive(std::size_t caller);
  // The number of the call, if it was let in.
  std::optional<std::size_t> Ask(Wish wish);
  std::optional<Passage> EnterGate(const Wish& wish);
  void LeaveGate(Passage& passage);
  ClassifyRequest RequestOf(const Wish& wish);
  std::size_t Start(const Wish& wish, ClassifyRequest request, Passage passage);
  bool Reserve(const Wish& wish, const ClassifyRequest& request);
  bool Reserve(std::size_t model, const AdmissionRequest& asked);
  void Answer(std::size_t call, const Wish& wish, SteadyTime asked_at,
              bool is_ok);
  // The answer is on its way: it holds memory until it is taken.
  void Send(std::size_t call);
  void Decode(const std::shared_ptr<PendingRequest>& request,
              const WaitingImage& waiting);
  // By each image of a caller: its header, and what the server makes of that.
  Duration HeaderOf(std::size_t caller) const;
  Duration Announced(std::size_t caller) const;
  std::vector<DecodeCost> DrawCosts(const Wish& wish);
  void StartDecoding();
  void DecodeNext();
  Duration DrawDecodeTime(std::size_t caller);
  void Decoded(std::size_t image);
  bool IsBroken(std::size_t image);
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
  void AdvanceTo(SteadyTime time);
  void Violated(const std::string& what) { report_.violations.push_back(what); }
  std::size_t ModelOf(const QueuedImage& image) const;
  static std::uint64_t IdOf(const QueuedImage& image);

  const Sabotage sabotage_;
  SeededRandom random_;
  const ServingScenario scenario_;
  WorldClock clock_;
  ServingReport report_;
  ServingOracle oracle_;
  DecodeOracle decode_oracle_;
  GateOracle gate_oracle_;
  CallGate gate_;
  std::vector<CallGate::Ticket> kept_tickets_;
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
  DecodeQueue decode_queue_;
  std::size_t idle_decoders_;
  std::size_t decode_tasks_ = 0;   // as the pool of decoders has them
  Duration undecoded_{};           // announced by images, counted here
  std::vector<std::size_t> held_;  // images of each model, counted here
  std::size_t idle_workers_;
  std::size_t arrivals_left_;
  double load_ = 1;
  std::size_t stopped_for_ = 0;  // events, of the clock
  bool is_ending_ = false;
  SteadyTime begin_;
};

}  // namespace resnetd

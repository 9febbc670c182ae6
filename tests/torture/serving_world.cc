#include "tests/torture/serving_world.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/models/batch_sizes.h"
#include "server/serving/batch_worker.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kClasses = 2;
// As many as violations are told; more help nobody.
constexpr std::size_t kEnoughViolations = 3;

ImageQueue::Options QueueOptions(const ServingScenario& scenario,
                                 Sabotage sabotage) {
  ImageQueue::Options options{.max_batch = scenario.max_batch,
                              .objective = scenario.objective};
  if (sabotage == Sabotage::kNoFloor) {
    options.floor = 0;
  }
  return options;
}

DecodeQueue::Options DecodeOptions(const ServingScenario& scenario,
                                   Sabotage sabotage) {
  DecodeQueue::Options options{.max_images = scenario.max_decode_images,
                               .max_bytes = scenario.decode_bytes,
                               .decoders = scenario.decoders};
  if (sabotage == Sabotage::kNoDecodeMemory) {
    options.max_bytes = 1U << 30U;
  } else if (sabotage == Sabotage::kNobodyPasses) {
    options.passing = Passing::kNobody;
  } else if (sabotage == Sabotage::kEverybodyPasses) {
    options.passing = Passing::kEverybody;
  }
  return options;
}

}  // namespace

ServingWorld::ServingWorld(ServingScenario scenario, std::uint64_t seed,
                           Sabotage sabotage)
    : sabotage_(sabotage),
      random_(seed),
      scenario_(std::move(scenario)),
      clock_(sabotage == Sabotage::kReadWall),
      oracle_(scenario_, report_.violations),
      decode_oracle_(scenario_.decode_bytes, report_.violations),
      gate_oracle_(scenario_.gate, report_.violations),
      gate_(sabotage == Sabotage::kNoCallLimits ? CallLimits{} : scenario_.gate,
            ServingState::kServing),
      decode_work_(scenario_.decoders),
      limiter_(scenario_.rate),
      queue_(QueueOptions(scenario_, sabotage)),
      decode_queue_(DecodeOptions(scenario_, sabotage)),
      idle_decoders_(scenario_.decoders),
      held_(scenario_.models.size()),
      idle_workers_(scenario_.workers),
      arrivals_left_(scenario_.calls) {
  report_.calls_of.resize(scenario_.callers.size());
  report_.answered_of.resize(scenario_.callers.size());
  QueueLimits limits = scenario_.limits;
  if (sabotage == Sabotage::kNoAdmission) {
    limits = {.max_images = 1U << 30U,
              .max_bytes = 1U << 30U,
              .max_wait = seconds(1'000'000)};
  }
  for (std::size_t i = 0; i < scenario_.models.size(); ++i) {
    accounts_.push_back(std::make_unique<QueueAccount>(
        AccountOptions{.limits = limits,
                       .workers = scenario_.workers,
                       .max_batch = scenario_.max_batch,
                       .allowed_batches = scenario_.allowed_batches},
        NullModelMetrics(), ahead_, &decode_work_));
    versions_.push_back(
        FakeVersion(FakeFacts(absl::StrCat("model-", i), kClasses)));
  }
  if (scenario_.is_exact) {
    accounts_[0]->RecordBatch(1, scenario_.TimeOf(0, 1), clock_.Now());
  }
  for (std::size_t i = 0; scenario_.is_warm && i < accounts_.size(); ++i) {
    for (std::size_t images = 1; images <= scenario_.max_batch; ++images) {
      accounts_[i]->RecordBatch(images, scenario_.BatchTimeOf(i, images),
                                clock_.Now());
    }
  }
}

ServingReport ServingWorld::Run() {
  begin_ = clock_.Steady();
  if (scenario_.flood_for > Duration{}) {
    load_ = scenario_.flood;
    Plan(scenario_.flood_for, Kind::kLoad, 0);
  }
  for (std::size_t i = 0; i < scenario_.callers.size(); ++i) {
    Plan({}, Kind::kArrive, i);
  }
  while (!events_.empty() &&
         (scenario_.goes_on || report_.violations.size() < kEnoughViolations)) {
    const Event event = events_.top();
    events_.pop();
    AdvanceTo(event.at);
    Handle(event);
    Dispatch();
    CheckBooks();
  }
  CheckEnd();
  report_.simulated = clock_.Steady() - begin_;
  return std::move(report_);
}

void ServingWorld::AdvanceTo(SteadyTime time) {
  if (scenario_.wall_goes_back) {
    clock_.SetWallBack(std::chrono::hours(1));
  }
  if (stopped_for_ > 0) {
    --stopped_for_;
    return;
  }
  clock_.Advance(std::max(time - clock_.Steady(), Duration{}));
  if (scenario_.jumps != 0 && random_.OneIn(scenario_.jumps)) {
    clock_.Advance(milliseconds(random_.Below(3000)));
  }
  if (scenario_.stops != 0 && random_.OneIn(scenario_.stops)) {
    stopped_for_ = 1 + random_.Below(20);
  }
}

void ServingWorld::Plan(Duration after, Kind kind, std::size_t subject) {
  events_.push({.at = clock_.Steady() + after,
                .order = next_order_++,
                .kind = kind,
                .subject = subject});
}

void ServingWorld::Handle(const Event& event) {
  switch (event.kind) {
    case Kind::kArrive:
      Arrive(event.subject);
      break;
    case Kind::kAgain:
      Ask(refused_[event.subject]);
      break;
    case Kind::kDecoded:
      Decoded(event.subject);
      break;
    case Kind::kBatchDone:
      FinishBatchOf(event.subject);
      break;
    case Kind::kSent:
      LeaveGate(calls_[event.subject].passage);
      break;
    case Kind::kCancel:
      calls_[event.subject].cancelled->store(true);
      break;
    case Kind::kStorm:
      for (Call& call : calls_) {
        call.cancelled->store(call.cancelled->load() || random_.OneIn(2));
      }
      break;
    case Kind::kLoad:
      load_ = load_ == 1 ? 10 : 1;
      break;
  }
}

std::uint64_t ServingWorld::IdOf(const QueuedImage& image) {
  return static_cast<std::uint64_t>(image.pixels.width);
}

std::size_t ServingWorld::ModelOf(const QueuedImage& image) const {
  return images_[IdOf(image)].waiting.model;
}

void ServingWorld::Dispatch() {
  while (idle_workers_ > 0 && StartNext()) {
  }
  if (idle_workers_ > 0) {
    oracle_.Idle(clock_.Now());
  }
}

bool ServingWorld::StartNext() {
  if (queue_.empty() || (sabotage_ == Sabotage::kWaitForFull &&
                         queue_.size() < scenario_.max_batch)) {
    return false;
  }
  TakenBatch taken = queue_.Take(idle_workers_, clock_.Now());
  if (sabotage_ == Sabotage::kLatestFirst) {
    std::reverse(taken.images.begin(), taken.images.end());
  }
  if (sabotage_ == Sabotage::kRunUnwanted) {
    std::move(taken.dropped.begin(), taken.dropped.end(),
              std::back_inserter(taken.images));
    taken.dropped.clear();
  }
  Judge(taken);
  for (const QueuedImage& image : taken.dropped) {
    --held_[ModelOf(image)];
  }
  const bool took_any = !taken.images.empty() || !taken.dropped.empty();
  RunningBatch batch = StartBatch(std::move(taken), clock_.Now());
  if (batch.images.empty()) {
    return took_any;
  }
  const std::size_t model = ModelOf(batch.images[0]);
  const Duration time = DrawBatchTime(model, batch.images.size());
  report_.images_run += batch.images.size();
  --idle_workers_;
  batches_.push_back(std::move(batch));
  Plan(time, Kind::kBatchDone, batches_.size() - 1);
  return true;
}

void ServingWorld::Judge(const TakenBatch& taken) {
  std::vector<std::uint64_t> images;
  for (const QueuedImage& image : taken.images) {
    images.push_back(IdOf(image));
    if (ModelOf(image) != ModelOf(taken.images[0])) {
      Violated("a batch mixes two versions");
    }
  }
  std::vector<std::uint64_t> dropped;
  for (const QueuedImage& image : taken.dropped) {
    dropped.push_back(IdOf(image));
  }
  oracle_.Took(images, dropped, clock_.Now());
}

Duration ServingWorld::DrawBatchTime(std::size_t model, std::size_t images) {
  const Duration time = scenario_.BatchTimeOf(model, images);
  if (scenario_.is_exact) {
    return time;
  }
  if (scenario_.slow_batches != 0 && random_.OneIn(scenario_.slow_batches)) {
    return time * static_cast<std::int64_t>(2 + random_.Below(200));
  }
  return time * static_cast<std::int64_t>(95 + random_.Below(10)) / 100;
}

void ServingWorld::FinishBatchOf(std::size_t number) {
  RunningBatch batch = std::move(batches_[number]);
  ModelOutput output;
  const std::size_t rows =
      RowsOf(batch.images.size(), scenario_.allowed_batches);
  output.logits.assign(rows * kClasses, 0.F);
  ++idle_workers_;
  const std::size_t model = ModelOf(batch.images[0]);
  held_[model] -= batch.images.size();
  FinishBatch(std::move(batch), output, clock_);
  if (sabotage_ == Sabotage::kAnswerTwice && random_.OneIn(10)) {
    calls_[0].answers += calls_[0].answers;
  }
}

void ServingWorld::CheckBooks() {
  if (decode_work_.announced() != undecoded_) {
    Violated(absl::StrCat("the books say ", ToSeconds(decode_work_.announced()),
                          " s for decoders, there are ",
                          ToSeconds(undecoded_)));
  }
  decode_oracle_.Check(decode_queue_.taken_bytes());
  gate_oracle_.Check(gate_.calls(), gate_.bytes_held());
  for (std::size_t i = 0; i < accounts_.size(); ++i) {
    const QueueLoad load = accounts_[i]->load();
    if (load.images != held_[i]) {
      Violated(absl::StrCat("the books say ", load.images,
                            " images, there are ", held_[i]));
    }
    if (load.images > scenario_.limits.max_images) {
      Violated(absl::StrCat(load.images, " images are in the queue, at most ",
                            scenario_.limits.max_images, " may be"));
    }
  }
}

void ServingWorld::CheckEnd() {
  if (report_.violations.size() >= kEnoughViolations) {
    return;
  }
  CheckStillAnswers();
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    if (calls_[i].answers != 1) {
      Violated(
          absl::StrCat("call ", i, " got ", calls_[i].answers, " answers"));
      return;
    }
  }
  if (!queue_.empty() || oracle_.waiting() != 0) {
    Violated("images wait at the end");
  }
  for (const ServingScenario::Caller& caller : scenario_.callers) {
    if (ahead_.Of(Priority::kBatch, caller.identity, {}) != Duration{}) {
      Violated("work is left in the books at the end");
      return;
    }
  }
  if (decode_work_.announced() != Duration{} || decode_queue_.size() > 0 ||
      decode_queue_.taken_bytes() > 0) {
    Violated("work of decoders is left in the books at the end");
  }
  if (!decode_queue_.CheckRoom(scenario_.max_decode_images).ok()) {
    Violated("room for decoders is left in the books at the end");
  }
  if (gate_.calls() > 0 || gate_.bytes_held() > 0) {
    Violated("calls are left in flight at the end");
  }
  if (scenario_.is_exact && report_.failed > 0) {
    Violated(absl::StrCat(report_.failed, " calls were let in and came late"));
  }
}

// Whatever it has seen, a server with nothing to do answers who has the time.
void ServingWorld::CheckStillAnswers() {
  is_ending_ = true;
  for (std::size_t model = 0; model < scenario_.models.size(); ++model) {
    clock_.Advance(seconds(100));
    const auto call =
        Ask({.caller = 0,
             .model = model,
             .patience = 2 * scenario_.BatchTimeOf(model, 1) +
                         2 * scenario_.decode + milliseconds(50)});
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      clock_.Advance(std::max(event.at - clock_.Steady(), Duration{}));
      // No slow batch now: it is about what the server believes.
      if (event.kind == Kind::kDecoded) {
        Decoded(event.subject);
        TakenBatch taken = queue_.Take(idle_workers_, clock_.Now());
        Judge(taken);
        batches_.push_back(StartBatch(std::move(taken), clock_.Now()));
        Plan(scenario_.BatchTimeOf(model, 1), Kind::kBatchDone,
             batches_.size() - 1);
        --idle_workers_;
      } else {
        Handle(event);
      }
    }
    if (!call || !calls_[*call].is_ok) {
      Violated(absl::StrCat("an idle server does not answer model ", model));
      return;
    }
  }
}

}  // namespace resnetd

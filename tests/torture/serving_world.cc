#include "tests/torture/serving_world.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/models/batch_sizes.h"
#include "server/serving/batch_worker.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kClasses = 2;
// Of callers who do not do as they are told.
constexpr Duration kRetryGap = milliseconds(50);
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

double Unit(SeededRandom& random) {
  return (static_cast<double>(random.Below(1'000'000)) + 0.5) / 1e6;
}

absl::Span<const std::uint8_t> Bytes(std::size_t count) {
  static const std::vector<std::uint8_t> bytes(4096, 0);
  return absl::MakeConstSpan(bytes).subspan(0, count);
}

}  // namespace

ServingWorld::ServingWorld(ServingScenario scenario, std::uint64_t seed,
                           Sabotage sabotage)
    : sabotage_(sabotage),
      random_(seed),
      scenario_(std::move(scenario)),
      oracle_(scenario_, report_.violations),
      decode_work_(scenario_.decoders),
      limiter_(scenario_.rate),
      queue_(QueueOptions(scenario_, sabotage)),
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
}

ServingReport ServingWorld::Run() {
  begin_ = clock_.Now();
  if (scenario_.flood_for > Duration{}) {
    load_ = scenario_.flood;
    Plan(scenario_.flood_for, Kind::kLoad, 0);
  }
  for (std::size_t i = 0; i < scenario_.callers.size(); ++i) {
    Plan({}, Kind::kArrive, i);
  }
  while (!events_.empty() && report_.violations.size() < kEnoughViolations) {
    const Event event = events_.top();
    events_.pop();
    clock_.Advance(std::max(event.at - clock_.Now(), Duration{}));
    if (scenario_.jumps != 0 && random_.OneIn(scenario_.jumps)) {
      clock_.Advance(milliseconds(random_.Below(3000)));
    }
    Handle(event);
    Dispatch();
    CheckBooks();
  }
  CheckEnd();
  report_.simulated = clock_.Now() - begin_;
  return std::move(report_);
}

void ServingWorld::Plan(Duration after, Kind kind, std::size_t subject) {
  events_.push({.at = clock_.Now() + after,
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

void ServingWorld::Arrive(std::size_t caller) {
  if (arrivals_left_ == 0) {
    return;
  }
  --arrivals_left_;
  const ServingScenario::Caller& who = scenario_.callers[caller];
  const double gap = -std::log(Unit(random_)) *
                     static_cast<double>(who.mean_gap.count()) / load_;
  Plan(Duration(static_cast<std::int64_t>(gap)), Kind::kArrive, caller);
  if (scenario_.storms != 0 && random_.OneIn(scenario_.storms)) {
    Plan({}, Kind::kStorm, 0);
  }
  if (scenario_.load_steps != 0 && random_.OneIn(scenario_.load_steps)) {
    Plan({}, Kind::kLoad, 0);
  }
  const std::size_t model = random_.Below(scenario_.models.size());
  const std::size_t images = 1 + random_.Below(who.max_images);
  const int patience =
      who.min_patience + static_cast<int>(random_.Below(static_cast<unsigned>(
                             who.max_patience - who.min_patience)));
  const bool is_after_flood =
      clock_.Now() - begin_ >= scenario_.flood_for + seconds(5);
  report_.calls_after_flood += is_after_flood ? 1 : 0;
  const auto call =
      Ask({.caller = caller,
           .model = model,
           .priority =
               scenario_.priorities[random_.Below(scenario_.priorities.size())],
           .images = images,
           .patience = scenario_.TimeOf(model, images) * patience,
           .retries = scenario_.retries,
           .is_after_flood = is_after_flood});
  if (call && who.cancels != 0 && random_.OneIn(who.cancels)) {
    Plan(microseconds(random_.Below(200'000)), Kind::kCancel, *call);
  }
}

std::optional<std::size_t> ServingWorld::Ask(Wish wish) {
  ++report_.calls;
  ++report_.calls_of[wish.caller];
  ClassifyRequest request;
  request.priority = wish.priority;
  request.identity = sabotage_ == Sabotage::kOneCaller
                         ? ""
                         : scenario_.callers[wish.caller].identity;
  request.arrived = clock_.Now();
  request.deadline = clock_.Now() + wish.patience;
  request.cancelled = std::make_shared<std::atomic<bool>>(false);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < wish.images; ++i) {
    request.images.emplace_back(
        EncodedImage{.bytes = Bytes(1 + random_.Below(100))});
    bytes += HeldBytes(request.images.back(),
                       versions_[wish.model]->facts.preprocess.crop);
  }
  if (!Reserve(wish.model, {.images = wish.images,
                            .bytes = bytes,
                            .priority = wish.priority,
                            .now = clock_.Now(),
                            .deadline = request.deadline,
                            .identity = request.identity,
                            .decode = Announced() * static_cast<std::int64_t>(
                                                        wish.images)})) {
    ++report_.refused;
    if (wish.retries-- > 0) {
      Plan(kRetryGap, Kind::kAgain, refused_.size());
      refused_.push_back(wish);
    }
    return std::nullopt;
  }
  held_[wish.model] += wish.images;
  return Start(wish, std::move(request));
}

std::size_t ServingWorld::Start(const Wish& wish, ClassifyRequest request) {
  const std::size_t number = calls_.size();
  const WaitingImage waiting{.priority = wish.priority,
                             .caller = wish.caller,
                             .model = wish.model,
                             .deadline = request.deadline,
                             .cancelled = request.cancelled};
  calls_.push_back({.cancelled = request.cancelled,
                    .deadline = request.deadline,
                    .images = wish.images});
  const SteadyTime asked_at = clock_.Now();
  const auto pending = std::make_shared<PendingRequest>(
      std::move(request), versions_[wish.model], *accounts_[wish.model], clock_,
      [this, number, wish,
       asked_at](const absl::StatusOr<ClassifyResponse>& answer) {
        ++calls_[number].answers;
        calls_[number].is_ok = answer.ok();
        if (!answer.ok()) {
          ++report_.failed;
          return;
        }
        ++report_.answered;
        ++report_.answered_of[wish.caller];
        report_.answered_after_flood += wish.is_after_flood ? 1 : 0;
        report_.latencies.push_back(clock_.Now() - asked_at);
      },
      std::vector<DecodeCost>(wish.images, {.bytes = 0, .time = Announced()}));
  Decode(pending, waiting);
  return number;
}

// As the classifier does it.
bool ServingWorld::Reserve(std::size_t model, const AdmissionRequest& asked) {
  if (!limiter_.Take(asked.identity, asked.images, asked.now).ok()) {
    return false;
  }
  if (!accounts_[model]->Reserve(asked).ok()) {
    limiter_.GiveBack(asked.identity, asked.images);
    return false;
  }
  return true;
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
  if (decode_work_.announced() != Announced() * undecoded_) {
    Violated(absl::StrCat("the books say ", ToSeconds(decode_work_.announced()),
                          " s for decoders, there are ", undecoded_,
                          " images"));
  }
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
  if (decode_work_.announced() != Duration{} || !decode_queue_.empty()) {
    Violated("work of decoders is left in the books at the end");
  }
  if (scenario_.is_exact && report_.failed > 0) {
    Violated(absl::StrCat(report_.failed, " calls were let in and came late"));
  }
}

// Whatever it has seen, a server with nothing to do answers who has the time.
void ServingWorld::CheckStillAnswers() {
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
      clock_.Advance(std::max(event.at - clock_.Now(), Duration{}));
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

// The calls of the world: through the gate, into the queues, and back.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/torture/serving_world.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Of callers who do not do as they are told.
constexpr Duration kRetryGap = milliseconds(50);
constexpr std::size_t kMostAnswerBytes = 4096;

double Unit(SeededRandom& random) {
  return (static_cast<double>(random.Below(1'000'000)) + 0.5) / 1e6;
}

absl::Span<const std::uint8_t> Bytes(std::size_t count) {
  static const std::vector<std::uint8_t> bytes(4096, 0);
  return absl::MakeConstSpan(bytes).subspan(0, count);
}

}  // namespace

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
      clock_.Steady() - begin_ >= scenario_.flood_for + seconds(5);
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
  std::optional<Passage> passage = EnterGate(wish);
  ClassifyRequest request = RequestOf(wish);
  if (passage && Reserve(wish, request)) {
    held_[wish.model] += wish.images;
    return Start(wish, std::move(request), *std::move(passage));
  }
  if (passage) {
    LeaveGate(*passage);
  }
  ++report_.refused;
  if (wish.retries-- > 0) {
    Plan(kRetryGap, Kind::kAgain, refused_.size());
    refused_.push_back(wish);
  }
  return std::nullopt;
}

ClassifyRequest ServingWorld::RequestOf(const Wish& wish) {
  ClassifyRequest request;
  request.priority = wish.priority;
  request.identity = sabotage_ == Sabotage::kOneCaller
                         ? ""
                         : scenario_.callers[wish.caller].identity;
  request.arrived = clock_.Now();
  request.deadline = clock_.Now() + wish.patience;
  request.cancelled = std::make_shared<std::atomic<bool>>(false);
  for (std::size_t i = 0; i < wish.images; ++i) {
    request.images.emplace_back(
        EncodedImage{.bytes = Bytes(1 + random_.Below(100))});
  }
  return request;
}

// As the server does it: the message, and what its pixels take beside it.
std::optional<ServingWorld::Passage> ServingWorld::EnterGate(const Wish& wish) {
  const ServingScenario::Caller& who = scenario_.callers[wish.caller];
  const std::size_t bytes =
      is_ending_ ? 1 : 1 + random_.Below(scenario_.max_message);
  Passage passage;
  passage.caller = {.connection = absl::StrCat(who.identity, "-",
                                               random_.Below(who.connections)),
                    .identity = who.identity};
  passage.bytes = bytes;
  Caller seen = passage.caller;
  if (sabotage_ == Sabotage::kOneClient) {
    seen.identity.clear();
  }
  absl::StatusOr<CallGate::Ticket> ticket =
      gate_.Enter(seen, bytes, Availability::kWhenServing);
  gate_oracle_.Asked(passage.caller, bytes, ticket.ok());
  if (!ticket.ok()) {
    return std::nullopt;
  }
  passage.ticket = *std::move(ticket);
  if (!is_ending_ && random_.OneIn(3)) {
    const bool is_granted = passage.ticket.Charge(bytes).ok();
    gate_oracle_.Charged(passage.caller, bytes, is_granted);
    if (!is_granted) {
      LeaveGate(passage);
      return std::nullopt;
    }
    passage.bytes += bytes;
  }
  return passage;
}

void ServingWorld::LeaveGate(Passage& passage) {
  gate_oracle_.Left(passage.caller, passage.bytes, passage.is_answered);
  if (sabotage_ == Sabotage::kKeepTicket && random_.OneIn(20)) {
    kept_tickets_.push_back(std::move(passage.ticket));
  }
  // Gives back what it has, if that is still there.
  const CallGate::Ticket over = std::move(passage.ticket);
}

std::size_t ServingWorld::Start(const Wish& wish, ClassifyRequest request,
                                Passage passage) {
  const std::size_t number = calls_.size();
  const WaitingImage waiting{.priority = wish.priority,
                             .caller = wish.caller,
                             .model = wish.model,
                             .deadline = request.deadline,
                             .cancelled = request.cancelled};
  calls_.push_back({.cancelled = request.cancelled,
                    .deadline = request.deadline,
                    .images = wish.images,
                    .passage = std::move(passage)});
  const SteadyTime asked_at = clock_.Now();
  const auto pending = std::make_shared<PendingRequest>(
      std::move(request), versions_[wish.model], *accounts_[wish.model], clock_,
      [this, number, wish,
       asked_at](const absl::StatusOr<ClassifyResponse>& answer) {
        Answer(number, wish, asked_at, answer.ok());
      },
      DrawCosts(wish));
  Decode(pending, waiting);
  return number;
}

void ServingWorld::Answer(std::size_t call, const Wish& wish,
                          SteadyTime asked_at, bool is_ok) {
  ++calls_[call].answers;
  calls_[call].is_ok = is_ok;
  Send(call);
  if (!is_ok) {
    ++report_.failed;
    return;
  }
  ++report_.answered;
  ++report_.answered_of[wish.caller];
  report_.answered_after_flood += wish.is_after_flood ? 1 : 0;
  report_.latencies.push_back(clock_.Now() - asked_at);
}

void ServingWorld::Send(std::size_t call) {
  Passage& passage = calls_[call].passage;
  if (passage.is_answered) {
    return;
  }
  const std::size_t bytes = 1 + random_.Below(kMostAnswerBytes);
  const bool is_covered = passage.ticket.Cover(bytes).ok();
  if (bytes > passage.bytes) {
    const std::size_t more = bytes - passage.bytes;
    gate_oracle_.Charged(passage.caller, more, is_covered);
    passage.bytes += is_covered ? more : 0;
  }
  passage.is_answered = true;
  passage.ticket.Answered();
  gate_oracle_.Answered(passage.caller);
  const auto most = static_cast<std::uint64_t>(scenario_.max_sending.count());
  Plan(Duration(most == 0 ? 0 : random_.Below(most)), Kind::kSent, call);
}

// As the classifier does it.
bool ServingWorld::Reserve(const Wish& wish, const ClassifyRequest& request) {
  std::size_t bytes = 0;
  for (const ImageSource& source : request.images) {
    bytes += HeldBytes(source, versions_[wish.model]->facts.preprocess.crop);
  }
  return Reserve(wish.model,
                 {.images = wish.images,
                  .bytes = bytes,
                  .priority = wish.priority,
                  .now = clock_.Now(),
                  .deadline = request.deadline,
                  .identity = request.identity,
                  .decode = Announced(wish.caller) *
                            static_cast<std::int64_t>(wish.images)});
}

bool ServingWorld::Reserve(std::size_t model, const AdmissionRequest& asked) {
  if (!limiter_.Take(asked.identity, asked.images, asked.now).ok()) {
    return false;
  }
  if (decode_queue_.Reserve(asked.images).ok()) {
    if (accounts_[model]->Reserve(asked).ok()) {
      return true;
    }
    decode_queue_.GiveBack(asked.images);
  }
  limiter_.GiveBack(asked.identity, asked.images);
  return false;
}

}  // namespace resnetd

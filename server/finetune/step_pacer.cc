#include "server/finetune/step_pacer.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Shorter rests are saved up: serving has nothing of a gap in which no call
// fits.
constexpr Duration kLeastRest = milliseconds(20);
// How far back answers say something of now: long enough for 300 of them at 10
// a second.
constexpr Duration kWindow = seconds(30);
// Serving alone is seen seldom, so what was seen counts for longer.
constexpr Duration kBaselineWindow = seconds(120);
// It is looked at again when there are fewer answers of the last minute.
constexpr Duration kFreshBaseline = seconds(60);
constexpr std::size_t kEnoughBaseline = 200;
// One look, and the share of the time that looks may take.
constexpr Duration kLook = milliseconds(500);
constexpr int kLooksShare = 20;
// Serving is busy when there was an answer in this time.
constexpr Duration kBusyWindow = seconds(1);
// Fewer answers in it are not worth a look.
constexpr std::size_t kWorthALook = 5;
// Between two events: they stay for ever.
constexpr Duration kNewsInterval = seconds(10);

Duration Scaled(Duration duration, double factor) {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, Duration::period>(duration) * factor);
}

}  // namespace

StepPacer::StepPacer(const ServingGuard& guard, PriorityGate& gate,
                     const Clock& clock)
    : guard_(guard),
      gate_(gate),
      clock_(clock),
      booked_at_(clock.Now()),
      rest_until_(booked_at_),
      decided_at_(booked_at_),
      lowered_at_(booked_at_),
      next_look_(booked_at_) {
  gate_.EnterBackground();
}

StepPacer::~StepPacer() { SetResting(true); }

bool StepPacer::MayStep() {
  const SteadyTime now = clock_.Now();
  Book(now);
  const bool has_decided = Reconsider(now);
  if (look_began_) {
    EndLook(now);
  } else if (has_decided && WantsBaseline(now)) {
    look_began_ = now;
  }
  const Duration owed = Owed();
  SetResting(look_began_ || owed >= kLeastRest ||
             (resting_ && owed > Duration::zero()));
  if (owed == Duration::zero()) {
    work_ = Duration::zero();
    paid_ = Duration::zero();
  }
  rest_until_ =
      now + (look_began_ ? kDutyInterval : std::min(owed, kDutyInterval));
  return !resting_;
}

void StepPacer::Book(SteadyTime now) {
  const Duration passed = now - std::exchange(booked_at_, now);
  if (resting_) {
    paid_ += passed;
    rested_ += passed;
  } else {
    work_ += passed;
  }
}

void StepPacer::SetResting(bool resting) {
  if (resting && !resting_) {
    gate_.LeaveBackground();
  } else if (!resting && resting_) {
    gate_.EnterBackground();
  }
  resting_ = resting;
}

std::optional<double> StepPacer::TakeNews() {
  const SteadyTime now = clock_.Now();
  if (!IsNews(duty_, told_) || (told_at_ && now - *told_at_ < kNewsInterval)) {
    return std::nullopt;
  }
  told_at_ = now;
  told_ = duty_;
  return duty_;
}

bool StepPacer::Reconsider(SteadyTime now) {
  if (now - decided_at_ < kDutyInterval) {
    return false;
  }
  const DutyDecision decision = DecideDuty(guard_, duty_, Look(now));
  decided_at_ = now;
  duty_ = decision.duty;
  if (decision.was_lowered) {
    lowered_at_ = now;
  }
  return true;
}

ServingFigures StepPacer::Look(SteadyTime now) {
  const SteadyTime since = std::max(lowered_at_, now - kWindow);
  const SteadyTime busy_since = now - kBusyWindow;
  ServingFigures figures{.elapsed = now - decided_at_,
                         .waiting = gate_.waiting(),
                         .alone = gate_.AloneSince(now - kBaselineWindow),
                         .all = gate_.BesideSince(since)};
  figures.is_busy = figures.waiting > 0 ||
                    !gate_.BesideSince(busy_since).empty() ||
                    !gate_.AloneSince(busy_since).empty();
  slowdown_.reset();
  const std::vector<Duration> beside = gate_.BesideSince(now - kWindow);
  if (figures.alone.size() >= kLeastBaseline &&
      beside.size() >= kLeastBaseline) {
    slowdown_ = ToSeconds(P99(beside)) / ToSeconds(P99(figures.alone));
  }
  const std::vector<Duration> between = gate_.AloneSince(since);
  figures.all.insert(figures.all.end(), between.begin(), between.end());
  return figures;
}

Duration StepPacer::Owed() const {
  const Duration whole = Scaled(work_, 1 / duty_ - 1);
  return std::max(whole - paid_, Duration::zero());
}

bool StepPacer::WantsBaseline(SteadyTime now) const {
  if (guard_.max_p99 || now < next_look_) {
    return false;
  }
  const SteadyTime busy_since = now - kBusyWindow;
  return gate_.BesideSince(busy_since).size() >= kWorthALook &&
         gate_.AloneSince(now - kFreshBaseline).size() < kEnoughBaseline;
}

void StepPacer::EndLook(SteadyTime now) {
  if (now - *look_began_ < kLook &&
      gate_.AloneSince(now - kFreshBaseline).size() < kEnoughBaseline) {
    return;
  }
  next_look_ = now + (now - *look_began_) * (kLooksShare - 1);
  look_began_.reset();
}

}  // namespace resnetd

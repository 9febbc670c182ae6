#include "client/load/load_run.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace resnetd::client {
namespace {

constexpr Duration kProgressEvery = std::chrono::milliseconds(250);
constexpr Duration kAskEvery = std::chrono::milliseconds(20);

class Run {
 public:
  Run(const LoadOptions& options, Caller& caller, const Clock& clock,
      const std::function<void(const LoadProgress&)>& on_progress)
      : options_(options),
        caller_(caller),
        clock_(clock),
        on_progress_(on_progress),
        begun_(clock.Now()),
        figures_(std::max<std::size_t>(options.phases.size(), 1)),
        last_end_(begun_) {
    for (LoadFigures& figures : figures_) {
      figures.parts.resize(options.parts > 1 ? options.parts : 0);
    }
  }

  std::vector<LoadFigures> Wait();

 private:
  void OpenLoop();
  void ClosedLoop();
  // Waits for `due` and for room among the calls that are out; false: it is
  // `end` before, or somebody ends it all.
  bool WaitForTurn(SteadyTime due, std::size_t most, SteadyTime end)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Send(SteadyTime due, std::size_t phase) ABSL_LOCKS_EXCLUDED(mutex_);
  void Ended(SteadyTime due, std::size_t phase, std::size_t part,
             const CallOutcome& outcome) ABSL_LOCKS_EXCLUDED(mutex_);
  // What a call counts for: the phase, and its part if there are several.
  std::vector<LoadFigures*> FiguresOf(std::size_t phase, std::size_t part)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);
  // Tells how far it is, if it is time.
  void Tell(SteadyTime now) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether somebody ends it, and when that was found.
  bool IsOver(SteadyTime now);
  Duration Whole() const;
  // How much of the phase there was.
  Duration LengthOf(std::size_t phase) const;
  // When no more calls of the phase are due; a closed loop counts all.
  SteadyTime EndOf(std::size_t phase) const;

  const LoadOptions& options_;
  Caller& caller_;
  const Clock& clock_;
  const std::function<void(const LoadProgress&)>& on_progress_;
  const SteadyTime begun_;
  // Used by the calling thread alone.
  SteadyTime next_told_ = begun_ + kProgressEvery;
  std::size_t next_number_ = 0;
  std::size_t phase_ = 0;
  SteadyTime over_at_ = kNoDeadline;
  SteadyTime next_asked_ = begun_;
  Mutex mutex_;
  CondVar changed_;
  std::size_t outstanding_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<LoadFigures> figures_ ABSL_GUARDED_BY(mutex_);
  // When the last call ended.
  SteadyTime last_end_ ABSL_GUARDED_BY(mutex_);
};

Duration Run::Whole() const {
  Duration whole{};
  for (const LoadPhase& phase : options_.phases) {
    whole += phase.length;
  }
  return options_.phases.empty() ? options_.length : whole;
}

SteadyTime Run::EndOf(std::size_t phase) const {
  if (options_.phases.empty()) {
    return kNoDeadline;
  }
  SteadyTime end = begun_;
  for (std::size_t i = 0; i <= phase; ++i) {
    end += options_.phases[i].length;
  }
  return end;
}

void Run::Tell(SteadyTime now) {
  if (now < next_told_ || !on_progress_) {
    return;
  }
  next_told_ = now + kProgressEvery;
  LoadProgress progress{
      .elapsed = now - begun_, .whole = Whole(), .phase = phase_};
  {
    const MutexLock lock(mutex_);
    progress.figures = figures_[phase_];
  }
  on_progress_(progress);
}

bool Run::IsOver(SteadyTime now) {
  if (!options_.is_over || over_at_ != kNoDeadline || now < next_asked_) {
    return over_at_ != kNoDeadline;
  }
  next_asked_ = now + kAskEvery;
  if (options_.is_over()) {
    over_at_ = now;
  }
  return over_at_ != kNoDeadline;
}

Duration Run::LengthOf(std::size_t phase) const {
  const Duration whole = options_.phases[phase].length;
  if (over_at_ == kNoDeadline) {
    return whole;
  }
  const SteadyTime begin = EndOf(phase) - whole;
  return std::clamp<Duration>(over_at_ - begin, Duration::zero(), whole);
}

bool Run::WaitForTurn(SteadyTime due, std::size_t most, SteadyTime end) {
  while (true) {
    const SteadyTime now = clock_.Now();
    if (now >= end || IsOver(now)) {
      return false;
    }
    Tell(now);
    const MutexLock lock(mutex_);
    const bool has_room = outstanding_ < most;
    if (has_room && now >= due) {
      ++outstanding_;
      return true;
    }
    // A change may come long after the next look at the progress is due.
    const SteadyTime look = now + kProgressEvery;
    changed_.WaitUntil(mutex_, has_room ? std::min(due, look) : look);
  }
}

void Run::Send(SteadyTime due, std::size_t phase) {
  const std::size_t part =
      next_number_ % std::max<std::size_t>(options_.parts, 1);
  {
    const MutexLock lock(mutex_);
    for (LoadFigures* const figures : FiguresOf(phase, part)) {
      ++figures->calls;
    }
  }
  caller_.Call(next_number_++,
               [this, due, phase, part](const CallOutcome& outcome) {
                 Ended(due, phase, part, outcome);
               });
}

std::vector<LoadFigures*> Run::FiguresOf(std::size_t phase, std::size_t part) {
  LoadFigures& whole = figures_[phase];
  if (whole.parts.empty()) {
    return {&whole};
  }
  return {&whole, &whole.parts[part]};
}

void Run::Ended(SteadyTime due, std::size_t phase, std::size_t part,
                const CallOutcome& outcome) {
  const SteadyTime now = clock_.Now();
  const MutexLock lock(mutex_);
  for (LoadFigures* const figures : FiguresOf(phase, part)) {
    figures->latencies[outcome.end].Record(now - due);
    if (outcome.end != CallEnd::kAnswered) {
      ++figures->errors[outcome.error];
    } else if (now <= EndOf(phase)) {
      ++figures->answered_within;
    }
  }
  last_end_ = std::max(last_end_, now);
  --outstanding_;
  changed_.NotifyAll();
}

void Run::OpenLoop() {
  Arrivals arrivals(options_.phases, options_.spacing, options_.seed);
  while (const std::optional<Arrival> next = arrivals.Next()) {
    phase_ = next->phase;
    const SteadyTime due = begun_ + next->due;
    if (!WaitForTurn(due, options_.most_outstanding, kNoDeadline)) {
      return;
    }
    Send(due, next->phase);
  }
}

void Run::ClosedLoop() {
  const SteadyTime end = begun_ + options_.length;
  while (WaitForTurn(begun_, options_.clients, end)) {
    Send(clock_.Now(), 0);
  }
}

void Run::Drain() {
  const MutexLock lock(mutex_);
  while (outstanding_ > 0) {
    changed_.Wait(mutex_);
  }
}

std::vector<LoadFigures> Run::Wait() {
  if (options_.phases.empty()) {
    ClosedLoop();
  } else {
    OpenLoop();
  }
  Drain();
  const MutexLock lock(mutex_);
  for (std::size_t i = 0; i < options_.phases.size(); ++i) {
    figures_[i].rate = options_.phases[i].rate;
    figures_[i].length = LengthOf(i);
  }
  if (options_.phases.empty()) {
    figures_[0].length = last_end_ - begun_;
  }
  for (LoadFigures& figures : figures_) {
    for (LoadFigures& part : figures.parts) {
      part.rate = figures.rate / static_cast<double>(figures.parts.size());
      part.length = figures.length;
    }
  }
  return std::move(figures_);
}

}  // namespace

std::size_t LoadFigures::Count(CallEnd end) const {
  const auto found = latencies.find(end);
  return found == latencies.end() ? 0 : found->second.count();
}

double LoadFigures::Throughput() const {
  const double seconds = ToSeconds(length);
  return seconds > 0 ? static_cast<double>(answered_within) / seconds : 0;
}

std::vector<LoadFigures> RunLoad(
    const LoadOptions& options, Caller& caller, const Clock& clock,
    const std::function<void(const LoadProgress&)>& on_progress) {
  return Run(options, caller, clock, on_progress).Wait();
}

}  // namespace resnetd::client

// What a TrainLoop shows of its gradients, and what it does about alarms.
#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/finetune/rate_schedule.h"
#include "server/finetune/train_loop.h"

namespace resnetd {
namespace {

// Samples between two with noise: it costs about a step of its own.
constexpr std::int64_t kNoiseEvery = 10;
// Between two BlockGradients: those of a large network have kilobytes.
constexpr Duration kSampleEventInterval = std::chrono::seconds(2);

// Of the rate of the head, which is always trained, in the highest one.
double RateShare(const Recipe& recipe, std::int64_t step) {
  const std::size_t phase = PhaseAt(recipe, step).phase;
  const double highest = recipe.phases[phase].rates.back();
  return highest > 0 ? RatesAt(recipe, step).back() / highest : 1;
}

absl::Status FailFor(const AlarmRaised& why) {
  return Error(absl::StatusCode::kInternal,
               why.kind == AlarmKind::kNonfinite ? Reason::kNonfiniteLoss
                                                 : Reason::kDiverged,
               absl::StrCat("alarm ", AlarmName(why.kind), " at step ",
                            why.step, ": ", why.text))
      .Metadata("alarm", AlarmName(why.kind));
}

}  // namespace

std::optional<Observation> TrainLoop::ObservationOf(std::int64_t step) const {
  const int every = options_.observation.probe_every;
  if (every <= 0 || step % every != 0) {
    return std::nullopt;
  }
  return Observation{
      .step = step + 1,
      .noise = options_.observation.snr && step / every % kNoiseEvery == 0};
}

absl::Status TrainLoop::TakeSample(
    const std::optional<GradientSample>& sample) {
  if (!sample || sample->step < 1 || sample->step > total_steps_) {
    return absl::OkStatus();
  }
  samples_.push_back(*sample);
  return TellAlarms(monitor_.AddSample(
      *sample, RateShare(options_.recipe, sample->step - 1)));
}

absl::Status TrainLoop::TakePendingSample() {
  if (trainer_ == nullptr) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::optional<GradientSample> sample,
                   trainer_->PendingSample());
  return TakeSample(sample);
}

absl::Status TrainLoop::FlushSamples() {
  if (samples_.empty()) {
    return absl::OkStatus();
  }
  const SteadyTime now = clock_.Now();
  const bool is_due =
      !told_sample_ || now - *told_sample_ >= kSampleEventInterval;
  if (is_due) {
    told_sample_ = now;
  }
  return host_.KeepSamples(std::exchange(samples_, {}), is_due);
}

absl::Status TrainLoop::JudgeStep(const StepReport& report) {
  return TellAlarms(
      monitor_.AddStep({.step = report.is_finite ? step_ : step_ + 1,
                        .phase = static_cast<int>(phase_),
                        .loss = report.loss,
                        .gradient_norm = report.gradient_norm,
                        .is_finite = report.is_finite,
                        .correct = report.correct,
                        .examples = report.examples}));
}

absl::Status TrainLoop::TellAlarms(Judgement judgement) {
  if (judgement.action && (!wanted_ || Gravity(judgement.action->action) >
                                           Gravity(wanted_->action))) {
    wanted_ = std::move(judgement.action);
  }
  if (!judgement.events.empty()) {
    RETURN_IF_ERROR(FlushSamples());
  }
  for (const AlarmEvent& event : judgement.events) {
    RETURN_IF_ERROR(
        std::visit([this](const auto& one) { return host_.Tell(one); }, event));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> TrainLoop::Act() {
  if (!wanted_) {
    return false;
  }
  const AlarmRaised why = *std::exchange(wanted_, std::nullopt);
  if (why.action == AlarmAction::kFail) {
    return FailFor(why);
  }
  if (why.action == AlarmAction::kStop) {
    is_stopped_ = true;
    RETURN_IF_ERROR(host_.Tell(
        LogLine{.text = absl::StrCat("the training ends at step ", step_,
                                     " for the alarm ", AlarmName(why.kind)),
                .is_warning = true}));
  }
  if (why.action == AlarmAction::kPause) {
    pause_reason_ = absl::StrCat("alarm ", AlarmName(why.kind), ": ", why.text);
  }
  // Nothing can go on from a step that is not finite, whatever is wanted.
  if (why.action == AlarmAction::kRollback ||
      why.kind == AlarmKind::kNonfinite) {
    RETURN_IF_ERROR(SetBack(why));
    return true;
  }
  return false;
}

}  // namespace resnetd

#include "server/finetune/train_loop.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/finetune/rate_schedule.h"

namespace resnetd {
namespace {

// Each costs a commit of the store.
constexpr Duration kMetricsInterval = std::chrono::milliseconds(500);

bool IsBetter(const EvaluationMetrics& a, const EvaluationMetrics& b,
              double min_delta) {
  return a.accuracy > b.accuracy + min_delta ||
         (a.accuracy == b.accuracy && a.loss < b.loss);
}

Reason ReasonOf(AlarmKind kind) {
  return kind == AlarmKind::kNonfinite ? Reason::kNonfiniteLoss
                                       : Reason::kDiverged;
}

}  // namespace

TrainLoop::TrainLoop(const Options& options, LoopHost& host, const Clock& clock)
    : options_(options),
      total_steps_(TotalSteps(options.recipe)),
      host_(host),
      clock_(clock),
      monitor_({.classes = options.classes,
                .total_steps = total_steps_,
                .majority_share = options.majority_share},
               options.alarms, options.block_names),
      setbacks_(options.setbacks) {
  monitor_.Restore(MonitorState(), options.active, setbacks_);
}

absl::StatusOr<LoopResult> TrainLoop::Run() {
  RETURN_IF_ERROR(Begin());
  Interruption interruption = Interruption::kNone;
  while (!IsThrough()) {
    RETURN_IF_ERROR(host_.AwaitTurn());
    interruption = host_.AskInterruption();
    if (interruption == Interruption::kNone && !pause_reason_.empty()) {
      interruption = Interruption::kPause;
    }
    if (interruption != Interruption::kNone) {
      break;
    }
    RETURN_IF_ERROR(OneStep());
  }
  RETURN_IF_ERROR(TakePendingSample());
  RETURN_IF_ERROR(FlushMetrics());
  // What was not evaluated could be the best; what is interrupted goes on.
  if (interruption == Interruption::kNone && (!last_ || last_->step != step_)) {
    RETURN_IF_ERROR(Evaluate());
  }
  if (wanted_ && wanted_->action == AlarmAction::kFail) {
    return Act().status();
  }
  if (saved_at_ != step_) {
    RETURN_IF_ERROR(SaveCheckpoint());
  }
  return LoopResult{.interrupted = interruption,
                    .step = step_,
                    .best = best_,
                    .setbacks = setbacks_,
                    .reason = pause_reason_};
}

absl::Status TrainLoop::Begin() {
  window_.begun = clock_.Now();
  ASSIGN_OR_RETURN(std::optional<TrainingState> state, host_.LoadLast());
  monitor_.Restore(state ? state->manifest.monitor : MonitorState(),
                   monitor_.state().active, setbacks_);
  if (!state) {
    step_ = 0;
    last_.reset();
    best_.reset();
    stale_evaluations_ = 0;
    return EnterPhase(0, nullptr);
  }
  step_ = state->step;
  stale_evaluations_ = state->manifest.stale_evaluations;
  last_ = state->manifest.evaluation;
  best_ = state->manifest.best;
  saved_at_ = step_;
  // The trainer of the phase that the last step belonged to.
  const std::size_t phase =
      PhaseAt(options_.recipe, std::max<std::int64_t>(step_ - 1, 0)).phase;
  return EnterPhase(phase, &state->trainer);
}

// `exact`: the whole state; null: the weights that the phase before ended with.
absl::Status TrainLoop::EnterPhase(std::size_t phase,
                                   const TrainerState* exact) {
  std::optional<TrainerState> before;
  if (exact == nullptr && trainer_ != nullptr) {
    RETURN_IF_ERROR(TakePendingSample());
    ASSIGN_OR_RETURN(before, trainer_->Save());
  }
  trainer_.reset();
  ASSIGN_OR_RETURN(trainer_, host_.NewTrainer(phase));
  phase_ = phase;
  if (exact != nullptr) {
    RETURN_IF_ERROR(trainer_->Restore(*exact));
  } else if (before) {
    RETURN_IF_ERROR(TakeWeights(*std::move(before)));
  }
  return host_.BeginPhase(phase, *trainer_);
}

absl::Status TrainLoop::TakeWeights(TrainerState before) {
  // A new optimiser, the old weights.
  ASSIGN_OR_RETURN(TrainerState state, trainer_->Save());
  state.weights = std::move(before.weights);
  for (std::pair<std::string, Tensor>& mean : state.means) {
    const auto found = std::find_if(
        state.weights.begin(), state.weights.end(),
        [&mean](const auto& entry) { return entry.first == mean.first; });
    if (found != state.weights.end()) {
      mean.second = found->second;
    }
  }
  return trainer_->Restore(state);
}

absl::Status TrainLoop::OneStep() {
  const PhasePosition at = PhaseAt(options_.recipe, step_);
  if (at.phase != phase_) {
    RETURN_IF_ERROR(EnterPhase(at.phase, nullptr));
  }
  const SteadyTime begun = clock_.Now();
  ASSIGN_OR_RETURN(const std::vector<TrainingBatch> batches,
                   host_.BatchesOf(step_));
  const SteadyTime has_data = clock_.Now();
  StepSettings settings{
      .rates = RatesAt(options_.recipe, step_),
      .by_gradients = options_.recipe.phases[at.phase].auto_rgn,
      .observe = ObservationOf(step_)};
  for (double& rate : settings.rates) {
    rate *= rate_factor();
  }
  ASSIGN_OR_RETURN(const StepReport report, trainer_->Step(batches, settings));
  const double clip = options_.recipe.clip_norm;
  host_.NoteStep({.data = has_data - begun,
                  .compute = clock_.Now() - has_data,
                  .phases = report.phases,
                  .is_finite = report.is_finite,
                  .is_clipped = report.is_finite && clip > 0 &&
                                report.gradient_norm > clip});
  // Of an earlier step, perhaps.
  RETURN_IF_ERROR(report.sample && report.sample->step <= step_
                      ? TakeSample(report.sample)
                      : absl::OkStatus());
  if (report.is_finite) {
    ++step_;
    TakeShares(report);
    RETURN_IF_ERROR(TakeMetrics(
        report, ScaleByGradients(settings.rates, report.parts).back()));
  }
  RETURN_IF_ERROR(JudgeStep(report));
  if (report.sample && report.sample->step == step_) {
    RETURN_IF_ERROR(TakeSample(report.sample));
  }
  ASSIGN_OR_RETURN(const bool went_back, Act());
  if (went_back) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(AfterStep());
  return Act().status();
}

absl::Status TrainLoop::AfterStep() {
  const bool is_last = step_ == total_steps_;
  if (is_last || step_ % options_.recipe.evaluate_every == 0) {
    RETURN_IF_ERROR(FlushMetrics());
    ASSIGN_OR_RETURN(const TensorList weights, trainer_->ExportWeights());
    ASSIGN_OR_RETURN(const bool is_finite, AreWeightsFinite(weights));
    if (!is_finite) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(TellShares());
    RETURN_IF_ERROR(Evaluate());
    if (last_->is_best) {
      return SaveCheckpoint();
    }
  }
  if (is_last || step_ % options_.recipe.checkpoint_every == 0) {
    return SaveCheckpoint();
  }
  return absl::OkStatus();
}

bool TrainLoop::IsThrough() const {
  const EarlyStopping& stop = options_.recipe.early_stopping;
  return is_stopped_ || step_ >= total_steps_ ||
         (stop.patience > 0 && step_ >= stop.min_steps &&
          stale_evaluations_ >= stop.patience) ||
         clock_.Now() >= options_.deadline;
}

absl::Status TrainLoop::TakeMetrics(const StepReport& report, double rate) {
  window_.sum.loss += report.loss;
  window_.sum.gradient_norm += report.gradient_norm;
  window_.sum.learning_rate = rate;
  window_.correct += report.correct;
  window_.examples += report.examples;
  ++window_.steps;
  return clock_.Now() - window_.begun >= kMetricsInterval ? FlushMetrics()
                                                          : absl::OkStatus();
}

void TrainLoop::TakeShares(const StepReport& report) {
  if (report.parts.empty()) {
    shares_.clear();
    shared_steps_ = 0;
    return;
  }
  const std::vector<double> ones(report.parts.size(), 1.0);
  const std::vector<double> shares = ScaleByGradients(ones, report.parts);
  shares_.resize(shares.size(), 0.0);
  for (std::size_t part = 0; part < shares.size(); ++part) {
    shares_[part] += shares[part];
  }
  ++shared_steps_;
}

absl::Status TrainLoop::TellShares() {
  const std::vector<double> sums = std::exchange(shares_, {});
  const int steps = std::exchange(shared_steps_, 0);
  if (sums.empty()) {
    return absl::OkStatus();
  }
  std::vector<std::string> texts;
  for (std::size_t part = 0; part < sums.size(); ++part) {
    const std::string name = part == 0 ? "stem"
                             : part + 1 == sums.size()
                                 ? "head"
                                 : absl::StrCat("layer", part);
    texts.push_back(
        absl::StrCat(name, " ", std::llround(sums[part] / steps * 100), " %"));
  }
  return host_.Tell(LogLine{
      .text = absl::StrCat("by their gradients the parts were trained with "
                           "these shares of their rates, on average over ",
                           steps, steps == 1 ? " step: " : " steps: ",
                           absl::StrJoin(texts, ", "))});
}

absl::Status TrainLoop::FlushMetrics() {
  RETURN_IF_ERROR(FlushSamples());
  const Window done = std::exchange(window_, Window{.begun = clock_.Now()});
  if (done.steps == 0) {
    return absl::OkStatus();
  }
  const double seconds = ToSeconds(window_.begun - done.begun);
  return host_.Tell(StepMetrics{
      .step = step_,
      .steps = done.steps,
      .loss = done.sum.loss / done.steps,
      .accuracy = static_cast<double>(done.correct) / done.examples,
      .gradient_norm = done.sum.gradient_norm / done.steps,
      .learning_rate = done.sum.learning_rate,
      .examples_per_second = seconds > 0 ? done.examples / seconds : 0});
}

absl::Status TrainLoop::Evaluate() {
  if (options_.recipe.norms == NormPolicy::kReestimate) {
    RETURN_IF_ERROR(host_.EstimateNorms(*trainer_));
  }
  ASSIGN_OR_RETURN(EvaluationMetrics metrics, host_.Evaluate(*trainer_, step_));
  metrics.is_best =
      !best_ ||
      IsBetter(metrics, *best_, options_.recipe.early_stopping.min_delta);
  // A loss that still falls promises a better accuracy.
  const bool is_stale = last_ && metrics.loss >= last_->loss;
  last_ = metrics;
  if (metrics.is_best) {
    best_ = metrics;
    stale_evaluations_ = 0;
  } else if (is_stale) {
    ++stale_evaluations_;
  }
  RETURN_IF_ERROR(host_.Tell(metrics));
  return TellAlarms(monitor_.AddEvaluation(
      {.step = metrics.step,
       .examples = metrics.examples,
       .loss = metrics.loss,
       .accuracy = metrics.accuracy,
       .old_class_accuracy = metrics.old_class_accuracy}));
}

absl::StatusOr<bool> TrainLoop::AreWeightsFinite(const TensorList& weights) {
  const bool are_finite =
      std::all_of(weights.begin(), weights.end(), [](const auto& entry) {
        const std::vector<float>& values = entry.second.values;
        return std::all_of(values.begin(), values.end(),
                           [](float x) { return std::isfinite(x); });
      });
  if (!are_finite) {
    RETURN_IF_ERROR(
        TellAlarms(monitor_.AddStep({.step = step_,
                                     .phase = static_cast<int>(phase_),
                                     .is_finite = false})));
  }
  return are_finite;
}

absl::Status TrainLoop::SaveCheckpoint() {
  if (saved_at_ == step_) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(TakePendingSample());
  RETURN_IF_ERROR(FlushSamples());
  ASSIGN_OR_RETURN(TrainerState trainer, trainer_->Save());
  ASSIGN_OR_RETURN(const bool is_finite, AreWeightsFinite(trainer.weights));
  if (!is_finite) {
    return absl::OkStatus();
  }
  const bool is_evaluated = last_ && last_->step == step_;
  TrainingState state{.step = step_,
                      .trainer = std::move(trainer),
                      .manifest = {.stale_evaluations = stale_evaluations_,
                                   .is_best = is_evaluated && last_->is_best,
                                   .evaluation = last_,
                                   .best = best_,
                                   .monitor = monitor_.state()}};
  RETURN_IF_ERROR(host_.Save(state));
  saved_at_ = step_;
  return absl::OkStatus();
}

absl::Status TrainLoop::SetBack(const AlarmRaised& why) {
  const std::int64_t from = step_;
  if (setbacks_ >= kMostSetbacks) {
    return Error(
        absl::StatusCode::kInternal, ReasonOf(why.kind),
        absl::StrCat(why.text, ", at step ", from, ", after ", setbacks_,
                     " recoveries with ever lower learning rates: "
                     "begin with a lower one, or look at the data"));
  }
  ++setbacks_;
  window_ = Window{.begun = clock_.Now()};
  shares_.clear();
  shared_steps_ = 0;
  // Those of the steps before the checkpoint are kept.
  samples_.clear();
  trainer_.reset();
  saved_at_ = -1;
  RETURN_IF_ERROR(Begin());
  return host_.Tell(
      Recovered{.from_step = from,
                .to_step = step_,
                .rate_factor = rate_factor(),
                .text = absl::StrCat(why.text, ": back to step ", step_,
                                     " with half the learning rate")});
}

}  // namespace resnetd

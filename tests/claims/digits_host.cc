#include "tests/claims/digits_host.h"

#include <cmath>
#include <cstddef>
#include <utility>
#include <variant>

#include "server/base/status_macros.h"
#include "server/finetune/evaluation.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/random.h"
#include "server/nn/torch_trainer.h"
#include "tests/claims/labs.h"

namespace resnetd {
namespace {

// A tenth of the classes of the digits, nearly.
constexpr double kMajorityShare = 0.1;
constexpr double kWarmup = 0.05;

}  // namespace

TrainLoop::Options LoopOptions(const DigitsTraining& training,
                               const Digits& digits) {
  const Network network = LabNetwork(training.network, kDigitClasses);
  const std::size_t parts = PartNames(network).size();
  const auto per_epoch =
      static_cast<std::int64_t>(digits.train.size() / kLabBatch);
  TrainLoop::Options options;
  options.recipe.phases = {
      {.steps = training.epochs * per_epoch,
       .trained_parts = std::vector<bool>(parts, true),
       .rates = std::vector<double>(parts, training.rate)}};
  options.recipe.optimizer = LabOptimizer();
  options.recipe.batch_size = static_cast<int>(kLabBatch);
  options.recipe.warmup = kWarmup;
  options.recipe.evaluate_every = per_epoch;
  options.recipe.checkpoint_every = per_epoch;
  options.recipe.early_stopping.patience = 0;
  options.recipe.seed = training.network.seed;
  options.classes = kDigitClasses;
  options.majority_share = kMajorityShare;
  options.block_names = BlockLabels(network);
  return options;
}

DigitsHost::DigitsHost(const DigitsTraining& training, const Digits& digits)
    : training_(training),
      digits_(digits),
      network_(LabNetwork(training.network, kDigitClasses)),
      weights_(LabWeights(training.network, network_)) {}

absl::StatusOr<std::unique_ptr<Trainer>> DigitsHost::NewTrainer(
    std::size_t /*phase*/) {
  TrainerOptions options;
  options.trained_parts.assign(PartNames(network_).size(), true);
  options.optimizer = LabOptimizer();
  ASSIGN_OR_RETURN(std::unique_ptr<Trainer> trainer,
                   TorchTrainer::Create(options, network_, weights_,
                                        DigitPreprocess(), at::kCPU));
  return wrap ? wrap(std::move(trainer)) : std::move(trainer);
}

absl::StatusOr<std::vector<TrainingBatch>> DigitsHost::BatchesOf(
    std::int64_t step) {
  const std::uint64_t per_epoch = digits_.train.size() / kLabBatch;
  const auto number = static_cast<std::uint64_t>(step);
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < kLabBatch; ++i) {
    const std::uint64_t place = Permuted(
        training_.network.seed, RandomPurpose::kOrder, number / per_epoch,
        digits_.train.size(), number % per_epoch * kLabBatch + i);
    rows.push_back(digits_.train[static_cast<std::size_t>(place)]);
  }
  return std::vector<TrainingBatch>{BatchOf(digits_, rows)};
}

absl::StatusOr<EvaluationMetrics> DigitsHost::Evaluate(Trainer& trainer,
                                                       std::int64_t step) {
  const TrainingBatch batch = BatchOf(digits_, digits_.held_out);
  const absl::StatusOr<std::vector<float>> logits =
      trainer.Logits(batch.pictures);
  if (!logits.ok()) {
    return logits.status();
  }
  const EvaluationReport report = resnetd::Evaluate(
      LogitsView{.values = *logits, .classes = kDigitClasses}, batch.labels);
  evaluations.push_back({.step = step,
                         .examples = report.examples,
                         .loss = report.loss,
                         .accuracy = report.accuracy});
  return evaluations.back();
}

absl::Status DigitsHost::Save(const TrainingState& state) {
  saved_ = state;
  return absl::OkStatus();
}

absl::Status DigitsHost::Tell(const JobEventBody& event) {
  if (const auto* raised = std::get_if<AlarmRaised>(&event)) {
    alarms.push_back(*raised);
  }
  return absl::OkStatus();
}

absl::Status DigitsHost::KeepSamples(const std::vector<GradientSample>& some,
                                     bool /*event*/) {
  samples.insert(samples.end(), some.begin(), some.end());
  return absl::OkStatus();
}

}  // namespace resnetd

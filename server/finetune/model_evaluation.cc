#include "server/finetune/model_evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/models/model_registry.h"

namespace resnetd {
namespace {

// Unknown labels that are named.
constexpr std::size_t kMostNamed = 10;

bool IsIn(ExampleSplit split, DatasetPart part) {
  return part == DatasetPart::kAll ||
         static_cast<int>(split) == static_cast<int>(part);
}
static_assert(static_cast<int>(ExampleSplit::kTrain) ==
              static_cast<int>(DatasetPart::kTrain));
static_assert(static_cast<int>(ExampleSplit::kValidation) ==
              static_cast<int>(DatasetPart::kValidation));
static_assert(static_cast<int>(ExampleSplit::kTest) ==
              static_cast<int>(DatasetPart::kTest));

absl::Status NothingThere(const DatasetContent& data, DatasetPart part,
                          const std::vector<ExampleSplit>& splits) {
  const auto count = [&splits](ExampleSplit split) {
    return std::count(splits.begin(), splits.end(), split);
  };
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kTooFewExamples,
               absl::StrCat("dataset ", Quoted(data.dataset.name.text()),
                            " has no pictures for ", DatasetPartName(part),
                            ": ", count(ExampleSplit::kTrain), " to train, ",
                            count(ExampleSplit::kValidation), " to validate, ",
                            count(ExampleSplit::kTest), " to test"))
      .Metadata("examples", "0")
      .Metadata("needed", "1");
}

double MajorityShare(const EvaluationReport& report, int& label) {
  std::int64_t most = 0;
  for (std::size_t i = 0; i < report.per_class.size(); ++i) {
    if (report.per_class[i].examples > most) {
      most = report.per_class[i].examples;
      label = static_cast<int>(i);
    }
  }
  return report.examples == 0
             ? 0
             : static_cast<double>(most) / static_cast<double>(report.examples);
}

std::string TestText(const PairedReport& paired, bool is_better,
                     const GateRules& rules) {
  const std::string counts = absl::StrFormat(
      "%d right with the candidate alone, %d with the champion alone, p = %.3g",
      paired.all.only_candidate, paired.all.only_champion, paired.p_value);
  if (is_better) {
    return absl::StrCat("the candidate is better: ", counts);
  }
  if (paired.p_value < rules.alpha) {
    return absl::StrCat("the candidate is worse: ", counts);
  }
  return absl::StrCat("no difference that chance would not explain: ", counts);
}

}  // namespace

absl::string_view DatasetPartName(DatasetPart part) {
  constexpr std::array<absl::string_view, 5> kNames = {
      "", "train", "validation", "test", "all"};
  return kNames.at(static_cast<std::size_t>(part));
}

absl::StatusOr<std::vector<PlannedExample>> ChooseExamples(
    const DatasetContent& data, const Measurement& what) {
  RETURN_IF_ERROR(CheckSplit(what.split));
  const std::vector<ExampleSplit> splits =
      AssignSplits(data.examples, what.split);
  std::vector<PlannedExample> chosen;
  for (std::size_t i = 0; i < data.examples.size(); ++i) {
    if (IsIn(splits[i], what.part)) {
      chosen.push_back(
          {.row = data.examples[i], .label = data.examples[i].label});
    }
  }
  if (chosen.empty()) {
    return NothingThere(data, what.part, splits);
  }
  return chosen;
}

absl::Status UseClassesOf(const VersionFacts& version,
                          const std::vector<std::string>& dataset_labels,
                          std::vector<PlannedExample>& examples) {
  // Per label of the dataset, in its order: the dataset has each once.
  const std::vector<int> classes = ClassMap(dataset_labels, version.labels);
  std::map<int, std::int64_t> unknown;
  for (PlannedExample& example : examples) {
    const int label = example.row.label;
    example.label = classes[static_cast<std::size_t>(label)];
    if (example.label < 0) {
      ++unknown[label];
    }
  }
  if (unknown.empty()) {
    return absl::OkStatus();
  }
  std::vector<std::string> texts;
  texts.reserve(unknown.size());
  for (const auto& [label, pictures] : unknown) {
    texts.push_back(absl::StrCat(
        Quoted(dataset_labels[static_cast<std::size_t>(label)]), " (", pictures,
        pictures == 1 ? " picture)" : " pictures)"));
  }
  const std::size_t more = texts.size() - std::min(texts.size(), kMostNamed);
  texts.resize(texts.size() - more);
  const std::string text =
      absl::StrCat(ResourceName(version.name, version.version),
                   " does not know ", absl::StrJoin(texts, ", "),
                   more > 0 ? absl::StrCat(" and ", more, " other labels") : "",
                   " of the dataset");
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text)
      .Violation("dataset", text);
}

std::optional<double> TellTemperature(const LogitsView& logits,
                                      absl::Span<const int> labels) {
  const double fitted = FitTemperature(logits, labels);
  if (fitted <= kLeastTemperature || fitted >= kMostTemperature) {
    return std::nullopt;
  }
  constexpr double kParts = 1000;
  return std::round(fitted * kParts) / kParts;
}

VersionEvaluation Measure(std::shared_ptr<const VersionFacts> version,
                          absl::Span<const float> logits,
                          absl::Span<const int> labels) {
  LogitsView view{.values = logits,
                  .classes = static_cast<int>(version->labels.size()),
                  .temperature = version->temperature};
  VersionEvaluation evaluation;
  evaluation.report = Evaluate(view, labels);
  evaluation.fitted_temperature =
      TellTemperature(view, labels).value_or(version->temperature);
  view.temperature = evaluation.fitted_temperature;
  const EvaluationReport fitted = Evaluate(view, labels);
  evaluation.fitted_loss = fitted.loss;
  evaluation.fitted_calibration_error = fitted.calibration_error;
  evaluation.majority_baseline =
      MajorityShare(evaluation.report, evaluation.majority_class);
  evaluation.version = std::move(version);
  return evaluation;
}

VersionComparison Judge(VersionEvaluation champion, VersionEvaluation candidate,
                        absl::Span<const float> champion_logits,
                        absl::Span<const float> candidate_logits,
                        absl::Span<const int> labels) {
  const VersionFacts& old_facts = *champion.version;
  const VersionFacts& new_facts = *candidate.version;
  const LogitsView old_view{
      .values = champion_logits,
      .classes = static_cast<int>(old_facts.labels.size()),
      .temperature = old_facts.temperature};
  const LogitsView new_view{
      .values = candidate_logits,
      .classes = static_cast<int>(new_facts.labels.size()),
      .temperature = new_facts.temperature};
  VersionComparison comparison;
  comparison.paired = Compare(old_view, new_view, labels,
                              ClassMap(old_facts.labels, new_facts.labels));
  if (champion.latency && candidate.latency &&
      *champion.latency > Duration::zero()) {
    comparison.latency_ratio =
        ToSeconds(*candidate.latency) / ToSeconds(*champion.latency);
  }
  if (old_facts.weights_bytes > 0) {
    comparison.size_ratio = static_cast<double>(new_facts.weights_bytes) /
                            static_cast<double>(old_facts.weights_bytes);
  }
  const GateRules rules;
  GateFacts facts{.labels_changed = old_facts.labels != new_facts.labels,
                  .alarms = {},
                  .is_finite = candidate.report.nonfinite_examples == 0,
                  .latency_ratio = comparison.latency_ratio,
                  .size_ratio = comparison.size_ratio};
  // As of a job: after the temperature was fitted, wherever that is.
  EvaluationReport judged = candidate.report;
  LogitsView fitted = new_view;
  fitted.temperature = FitTemperature(new_view, labels);
  judged.calibration_error = Evaluate(fitted, labels).calibration_error;
  comparison.verdict = DecidePromotion(rules, judged, comparison.paired, facts);
  comparison.text =
      TestText(comparison.paired, comparison.verdict.is_better, rules);
  comparison.champion = std::move(champion);
  comparison.candidate = std::move(candidate);
  return comparison;
}

std::optional<Duration> PictureTime(std::vector<Duration> batches,
                                    std::size_t size) {
  if (batches.size() < kLeastTimedBatches) {
    return std::nullopt;
  }
  const auto middle =
      batches.begin() + static_cast<std::ptrdiff_t>(batches.size() / 2);
  std::nth_element(batches.begin(), middle, batches.end());
  return *middle / static_cast<Duration::rep>(size);
}

}  // namespace resnetd

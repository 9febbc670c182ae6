#include "server/rpc/convert_evaluation.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/violations.h"
#include "server/models/model_registry.h"
#include "server/rpc/convert_job.h"
#include "server/rpc/proto_time.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

// A top five among five says nothing.
constexpr int kTop = 5;

// The protos number these as the domain does.
static_assert(static_cast<int>(DatasetPart::kTrain) == v1::DATASET_PART_TRAIN);
static_assert(static_cast<int>(DatasetPart::kValidation) ==
              v1::DATASET_PART_VALIDATION);
static_assert(static_cast<int>(DatasetPart::kTest) == v1::DATASET_PART_TEST);
static_assert(static_cast<int>(DatasetPart::kAll) == v1::DATASET_PART_ALL);

DatasetPart ToPart(v1::DatasetPart part, Violations& violations) {
  if (part == v1::DATASET_PART_UNSPECIFIED) {
    return DatasetPart::kValidation;
  }
  if (!v1::DatasetPart_IsValid(part)) {
    violations.Add("measurement.part",
                   absl::StrCat("measurement.part ", static_cast<int>(part),
                                " is none of TRAIN, VALIDATION, TEST, ALL"));
    return DatasetPart::kValidation;
  }
  return static_cast<DatasetPart>(part);
}

void AddClasses(const VersionEvaluation& evaluation,
                v1::EvaluationReport& message) {
  const std::vector<ClassResult>& classes = evaluation.report.per_class;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const ClassResult& result = classes[i];
    if (result.examples == 0 && result.predicted == 0) {
      continue;
    }
    v1::EvaluatedClass& out = *message.add_classes();
    out.set_index(static_cast<int>(i));
    out.set_label(evaluation.version->labels[i]);
    out.set_examples(result.examples);
    out.set_correct(result.correct);
    out.set_predicted(result.predicted);
    if (result.examples > 0) {
      out.set_recall(result.recall);
    }
    if (result.predicted > 0) {
      out.set_precision(result.precision);
    }
  }
}

void AddConfusion(const VersionEvaluation& evaluation,
                  v1::EvaluationReport& message) {
  std::vector<ConfusionCell> cells = evaluation.report.confusion;
  message.set_confusion_is_complete(message.num_classes() <= kWholeConfusion);
  if (!message.confusion_is_complete()) {
    cells = MostConfused(cells, kConfusedPairs);
  }
  for (const ConfusionCell& cell : cells) {
    v1::ConfusionCell& out = *message.add_confusion();
    out.set_label(cell.label);
    out.set_predicted(cell.predicted);
    out.set_examples(cell.examples);
  }
}

v1::PairedCounts ToProto(const PairedCounts& counts) {
  v1::PairedCounts message;
  message.set_both(counts.both);
  message.set_only_champion(counts.only_champion);
  message.set_only_candidate(counts.only_candidate);
  message.set_neither(counts.neither);
  return message;
}

v1::PrecisionObjection MessageOf(PrecisionObjection objection) {
  switch (objection) {
    case PrecisionObjection::kNone:
      return v1::PRECISION_OBJECTION_UNSPECIFIED;
    case PrecisionObjection::kNoPictures:
      return v1::PRECISION_OBJECTION_NO_PICTURES;
    case PrecisionObjection::kTooFewPictures:
      return v1::PRECISION_OBJECTION_TOO_FEW_PICTURES;
    case PrecisionObjection::kUnsupported:
      return v1::PRECISION_OBJECTION_UNSUPPORTED;
    case PrecisionObjection::kDisagrees:
      return v1::PRECISION_OBJECTION_DISAGREES;
    case PrecisionObjection::kSlower:
      return v1::PRECISION_OBJECTION_SLOWER;
    case PrecisionObjection::kNoMemory:
      return v1::PRECISION_OBJECTION_NO_MEMORY;
    case PrecisionObjection::kFailed:
      return v1::PRECISION_OBJECTION_FAILED;
  }
  return v1::PRECISION_OBJECTION_UNSPECIFIED;
}

v1::PrecisionTrial MessageOf(const PrecisionFigures& figures) {
  v1::PrecisionTrial message;
  message.set_precision(figures.precision);
  if (figures.seconds > 0) {
    *message.mutable_picture_time() =
        resnetd::ToProto(std::chrono::duration_cast<Duration>(
            std::chrono::duration<double>(figures.seconds)));
  }
  message.set_examples(figures.pictures);
  message.set_agreeing(figures.agreeing);
  message.set_logit_error(figures.error);
  message.set_labelled(figures.labelled);
  message.set_correct(figures.correct);
  message.set_memory_bytes(figures.bytes);
  message.set_objection(MessageOf(figures.objection));
  message.set_objection_text(figures.obstacle);
  return message;
}

}  // namespace

absl::StatusOr<Measurement> ToMeasurement(const v1::Measurement& message) {
  Violations violations;
  std::optional<DatasetName> dataset = violations.Take(
      "measurement.dataset",
      ParseDatasetName("measurement.dataset", message.dataset()));
  const DatasetPart part = ToPart(message.part(), violations);
  SplitSpec split;
  if (message.has_split()) {
    split = {.validation = message.split().validation(),
             .test = message.split().test(),
             .seed = message.split().seed()};
    violations.AddErrorIn("measurement.split", CheckSplit(split));
  }
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  return Measurement{
      .dataset = *std::move(dataset), .part = part, .split = split};
}

v1::EvaluationReport ToProto(const VersionEvaluation& evaluation,
                             const Measurement& what) {
  const VersionFacts& version = *evaluation.version;
  const EvaluationReport& report = evaluation.report;
  v1::EvaluationReport message;
  message.set_version(ResourceName(version.name, version.version));
  message.set_dataset(ResourceName(what.dataset));
  message.set_dataset_digest(evaluation.dataset_digest);
  message.set_part(static_cast<v1::DatasetPart>(what.part));
  message.set_examples(report.examples);
  message.set_correct(report.correct);
  message.set_accuracy(report.accuracy);
  message.set_num_classes(static_cast<int>(version.labels.size()));
  if (message.num_classes() > kTop) {
    message.set_top5_accuracy(report.top5_accuracy);
  }
  message.set_loss(report.loss);
  message.set_mean_confidence(report.mean_confidence);
  message.set_calibration_error(report.calibration_error);
  message.set_temperature(report.temperature);
  message.set_fitted_temperature(evaluation.fitted_temperature);
  message.set_fitted_loss(evaluation.fitted_loss);
  message.set_fitted_calibration_error(evaluation.fitted_calibration_error);
  message.set_majority_baseline(evaluation.majority_baseline);
  message.set_majority_label(
      version.labels[static_cast<std::size_t>(evaluation.majority_class)]);
  AddClasses(evaluation, message);
  AddConfusion(evaluation, message);
  if (evaluation.latency) {
    *message.mutable_latency() = ToProto(*evaluation.latency);
  }
  message.set_precision(evaluation.precision);
  message.set_backend(evaluation.backend);
  return message;
}

v1::PairedReport ToProto(const VersionComparison& comparison,
                         const Measurement& what) {
  const PairedReport& paired = comparison.paired;
  v1::PairedReport message;
  *message.mutable_champion() = ToProto(comparison.champion, what);
  *message.mutable_candidate() = ToProto(comparison.candidate, what);
  *message.mutable_all() = ToProto(paired.all);
  *message.mutable_old_classes() = ToProto(paired.old_classes);
  *message.mutable_new_classes() = ToProto(paired.new_classes);
  message.set_p_value(paired.p_value);
  message.set_text(comparison.text);
  for (const PairedClass& of_class : paired.per_class) {
    if (Examples(of_class.counts) == 0) {
      continue;
    }
    v1::PairedClass& out = *message.add_classes();
    out.set_index(of_class.label);
    out.set_label(comparison.candidate.version
                      ->labels[static_cast<std::size_t>(of_class.label)]);
    out.set_is_old(of_class.is_old);
    *out.mutable_counts() = ToProto(of_class.counts);
  }
  if (comparison.latency_ratio) {
    message.set_latency_ratio(*comparison.latency_ratio);
  }
  message.set_size_ratio(comparison.size_ratio);
  *message.mutable_gate() = ToProto(comparison.verdict);
  return message;
}

v1::PrecisionReport ToProto(const PrecisionReport& report,
                            const Measurement& what, const Digest& dataset) {
  v1::PrecisionReport message;
  message.set_dataset(ResourceName(what.dataset));
  message.set_dataset_digest(dataset);
  message.set_part(static_cast<v1::DatasetPart>(what.part));
  for (const PrecisionFigures& trial : report.trials) {
    *message.add_trials() = MessageOf(trial);
  }
  message.set_policy(report.policy);
  message.set_chosen(report.chosen);
  message.set_fastest(report.fastest);
  message.set_calibration_method(report.method);
  return message;
}

}  // namespace resnetd

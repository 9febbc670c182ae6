#include <string>
#include <utility>

#include "client/convert.h"
#include "client/job_convert.h"

namespace resnetd::client {
namespace {

DatasetPart FromProto(v1::DatasetPart part) {
  switch (part) {
    case v1::DATASET_PART_TRAIN:
      return DatasetPart::kTrain;
    case v1::DATASET_PART_VALIDATION:
      return DatasetPart::kValidation;
    case v1::DATASET_PART_TEST:
      return DatasetPart::kTest;
    case v1::DATASET_PART_ALL:
      return DatasetPart::kAll;
    default:  // A newer server may know more of them.
      return DatasetPart::kUnknown;
  }
}

v1::DatasetPart ToProto(DatasetPart part) {
  switch (part) {
    case DatasetPart::kTrain:
      return v1::DATASET_PART_TRAIN;
    case DatasetPart::kValidation:
      return v1::DATASET_PART_VALIDATION;
    case DatasetPart::kTest:
      return v1::DATASET_PART_TEST;
    case DatasetPart::kAll:
      return v1::DATASET_PART_ALL;
    case DatasetPart::kUnknown:
      break;
  }
  return v1::DATASET_PART_UNSPECIFIED;
}

PairedCounts FromProto(const v1::PairedCounts& counts) {
  return {.both = counts.both(),
          .only_champion = counts.only_champion(),
          .only_candidate = counts.only_candidate(),
          .neither = counts.neither()};
}

EvaluatedClass FromProto(const v1::EvaluatedClass& message) {
  EvaluatedClass out = {.index = message.index(),
                        .label = message.label(),
                        .examples = message.examples(),
                        .correct = message.correct(),
                        .predicted = message.predicted(),
                        .recall = {},
                        .precision = {}};
  if (message.has_recall()) {
    out.recall = message.recall();
  }
  if (message.has_precision()) {
    out.precision = message.precision();
  }
  return out;
}

}  // namespace

absl::string_view DatasetPartName(DatasetPart part) {
  switch (part) {
    case DatasetPart::kTrain:
      return "train";
    case DatasetPart::kValidation:
      return "validation";
    case DatasetPart::kTest:
      return "test";
    case DatasetPart::kAll:
      return "all";
    case DatasetPart::kUnknown:
      break;
  }
  return "unknown";
}

v1::Measurement ToProto(const Measurement& measurement) {
  v1::Measurement message;
  message.set_dataset(DatasetResource(measurement.dataset));
  message.set_part(ToProto(measurement.part));
  if (measurement.split) {
    v1::SplitSpec& split = *message.mutable_split();
    split.set_validation(measurement.split->validation);
    split.set_test(measurement.split->test);
    split.set_seed(measurement.split->seed);
  }
  return message;
}

EvaluationReport FromProto(const v1::EvaluationReport& message) {
  EvaluationReport report;
  report.version = message.version();
  report.dataset = message.dataset();
  report.dataset_digest = message.dataset_digest();
  report.part = FromProto(message.part());
  report.num_classes = message.num_classes();
  report.examples = message.examples();
  report.correct = message.correct();
  report.accuracy = message.accuracy();
  if (message.has_top5_accuracy()) {
    report.top5_accuracy = message.top5_accuracy();
  }
  report.loss = message.loss();
  report.mean_confidence = message.mean_confidence();
  report.calibration_error = message.calibration_error();
  report.temperature = message.temperature();
  report.fitted_temperature = message.fitted_temperature();
  report.fitted_loss = message.fitted_loss();
  report.fitted_calibration_error = message.fitted_calibration_error();
  report.majority_baseline = message.majority_baseline();
  report.majority_label = message.majority_label();
  for (const v1::EvaluatedClass& one : message.classes()) {
    report.classes.push_back(FromProto(one));
  }
  for (const v1::ConfusionCell& cell : message.confusion()) {
    report.confusion.push_back({.label = cell.label(),
                                .predicted = cell.predicted(),
                                .examples = cell.examples()});
  }
  report.confusion_is_complete = message.confusion_is_complete();
  if (message.has_latency()) {
    report.latency = FromProto(message.latency());
  }
  report.precision = message.precision();
  report.backend = message.backend();
  return report;
}

PairedReport FromProto(const v1::PairedReport& message) {
  PairedReport report;
  report.champion = FromProto(message.champion());
  report.candidate = FromProto(message.candidate());
  report.all = FromProto(message.all());
  report.old_classes = FromProto(message.old_classes());
  report.new_classes = FromProto(message.new_classes());
  report.p_value = message.p_value();
  report.text = message.text();
  for (const v1::PairedClass& one : message.classes()) {
    report.classes.push_back({.index = one.index(),
                              .label = one.label(),
                              .is_old = one.is_old(),
                              .counts = FromProto(one.counts())});
  }
  if (message.has_latency_ratio()) {
    report.latency_ratio = message.latency_ratio();
  }
  report.size_ratio = message.size_ratio();
  report.gate = FromProto(message.gate());
  return report;
}

PrecisionReport FromProto(const v1::PrecisionReport& message) {
  PrecisionReport report;
  report.dataset = message.dataset();
  report.dataset_digest = message.dataset_digest();
  report.part = FromProto(message.part());
  for (const v1::PrecisionTrial& one : message.trials()) {
    PrecisionTrial trial = {
        .precision = one.precision(),
        .picture_time = {},
        .examples = one.examples(),
        .agreeing = one.agreeing(),
        .logit_error = one.logit_error(),
        .labelled = one.labelled(),
        .correct = one.correct(),
        .memory_bytes = one.memory_bytes(),
        .objection = ShortName(v1::PrecisionObjection_Name(one.objection()),
                               "PRECISION_OBJECTION_"),
        .objection_text = one.objection_text()};
    if (one.has_picture_time()) {
      trial.picture_time = FromProto(one.picture_time());
    }
    report.trials.push_back(std::move(trial));
  }
  report.policy = message.policy();
  report.chosen = message.chosen();
  report.fastest = message.fastest();
  report.calibration_method = message.calibration_method();
  return report;
}

}  // namespace resnetd::client

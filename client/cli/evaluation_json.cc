#include <chrono>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/evaluation_text.h"
#include "client/cli/job_json.h"

namespace resnetd::cli {
namespace {

std::string PartText(client::DatasetPart part) {
  return absl::AsciiStrToUpper(client::DatasetPartName(part));
}

Json CountsJson(const client::PairedCounts& counts) {
  return {{"both", counts.both},
          {"only_champion", counts.only_champion},
          {"only_candidate", counts.only_candidate},
          {"neither", counts.neither}};
}

}  // namespace

Json EvaluationJson(const client::EvaluationReport& report) {
  Json classes = Json::array();
  for (const client::EvaluatedClass& one : report.classes) {
    classes.push_back(
        {{"index", one.index},
         {"label", one.label},
         {"examples", one.examples},
         {"correct", one.correct},
         {"recall", one.recall ? Json(*one.recall) : Json()},
         {"predicted", one.predicted},
         {"precision", one.precision ? Json(*one.precision) : Json()}});
  }
  Json confusion = Json::array();
  for (const client::ConfusionCell& cell : report.confusion) {
    confusion.push_back({{"label", cell.label},
                         {"predicted", cell.predicted},
                         {"examples", cell.examples}});
  }
  return {{"version", report.version},
          {"dataset", report.dataset},
          {"dataset_digest", report.dataset_digest},
          {"part", PartText(report.part)},
          {"num_classes", report.num_classes},
          {"examples", report.examples},
          {"correct", report.correct},
          {"accuracy", report.accuracy},
          {"top5_accuracy",
           report.top5_accuracy ? Json(*report.top5_accuracy) : Json()},
          {"loss", report.loss},
          {"mean_confidence", report.mean_confidence},
          {"calibration_error", report.calibration_error},
          {"temperature", report.temperature},
          {"fitted_temperature", report.fitted_temperature},
          {"fitted_loss", report.fitted_loss},
          {"fitted_calibration_error", report.fitted_calibration_error},
          {"majority_baseline", report.majority_baseline},
          {"majority_label", report.majority_label},
          {"classes", classes},
          {"confusion", confusion},
          {"confusion_is_complete", report.confusion_is_complete},
          {"latency_ms",
           report.latency
               ? Json(std::chrono::duration<double, std::milli>(*report.latency)
                          .count())
               : Json()},
          {"precision", report.precision},
          {"backend", report.backend}};
}

Json ComparisonJson(const client::PairedReport& report) {
  Json classes = Json::array();
  for (const client::PairedClass& one : report.classes) {
    classes.push_back({{"index", one.index},
                       {"label", one.label},
                       {"is_old", one.is_old},
                       {"counts", CountsJson(one.counts)}});
  }
  return {{"champion", EvaluationJson(report.champion)},
          {"candidate", EvaluationJson(report.candidate)},
          {"all", CountsJson(report.all)},
          {"old_classes", CountsJson(report.old_classes)},
          {"new_classes", CountsJson(report.new_classes)},
          {"p_value", report.p_value},
          {"text", report.text},
          {"classes", classes},
          {"latency_ratio",
           report.latency_ratio ? Json(*report.latency_ratio) : Json()},
          {"size_ratio", report.size_ratio},
          {"gate", VerdictJson(report.gate)}};
}

Json MeasurementJson(const client::Measurement& measurement) {
  return {{"dataset", absl::StartsWith(measurement.dataset, "datasets/")
                          ? measurement.dataset
                          : absl::StrCat("datasets/", measurement.dataset)},
          {"part", absl::StrCat("DATASET_PART_", PartText(measurement.part))}};
}

}  // namespace resnetd::cli

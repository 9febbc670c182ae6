#include <chrono>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/evaluation_text.h"
#include "client/cli/job_text.h"
#include "client/cli/model_ref.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

std::string ShareOf(std::int64_t part, std::int64_t all) {
  return all == 0 ? "-"
                  : FormatShare(static_cast<double>(part) /
                                static_cast<double>(all));
}

std::string Verdict(const client::PrecisionTrial& trial,
                    const client::PrecisionReport& report) {
  if (!trial.objection_text.empty()) {
    return trial.objection_text;
  }
  return trial.precision == report.fastest ? "fastest" : "";
}

Table TrialsTable(const client::PrecisionReport& report) {
  Table table({{"PRECISION"},
               {"A PICTURE", Align::kRight},
               {"AGREES", Align::kRight},
               {"ACCURACY", Align::kRight},
               {"LOGITS OFF", Align::kRight},
               {"MEMORY", Align::kRight},
               {""}});
  for (const client::PrecisionTrial& trial : report.trials) {
    const bool is_float = trial.precision == "fp32";
    table.AddRow(
        {trial.precision,
         trial.picture_time ? FormatDuration(*trial.picture_time) : "-",
         is_float ? "" : ShareOf(trial.agreeing, trial.examples),
         ShareOf(trial.correct, trial.labelled),
         is_float || trial.examples == 0
             ? ""
             : absl::StrFormat("%.4f", trial.logit_error),
         trial.memory_bytes == 0 ? "-" : FormatBytes(trial.memory_bytes),
         Verdict(trial, report)});
  }
  return table;
}

std::string Outcome(const client::Quantized& quantized, bool dry_run) {
  const client::PrecisionReport& report = quantized.report;
  const std::string name = ShortName(quantized.version.name);
  if (dry_run) {
    return absl::StrCat("measured, nothing was changed: with --precision=",
                        report.policy, ", as the server was started, ", name,
                        " would answer in ", report.chosen);
  }
  std::string text = absl::StrCat(name, " answers in ", report.chosen);
  if (report.policy == "fp32" && report.fastest != "fp32") {
    absl::StrAppend(&text,
                    ", as the server was started with --precision=fp32; with "
                    "--precision=auto, or --model-precision=",
                    ModelPart(quantized.version.name), "=auto, in ",
                    report.fastest);
  }
  return text;
}

}  // namespace

std::string QuantizationText(const client::Quantized& quantized, bool dry_run) {
  const client::PrecisionReport& report = quantized.report;
  const std::int64_t examples =
      report.trials.empty() ? 0 : report.trials.front().examples;
  return absl::StrCat(
      Printable(absl::StrCat(
          ShortName(quantized.version.name), " on dataset ",
          ShortDataset(report.dataset), " (", FormatCount(examples),
          " pictures, ", client::DatasetPartName(report.part), ")",
          report.calibration_method.empty()
              ? ""
              : absl::StrCat("; int8 by ", report.calibration_method))),
      "\n", TrialsTable(report).Render(), "\n",
      Printable(Outcome(quantized, dry_run)), "\n");
}

Json PrecisionReportJson(const client::PrecisionReport& report) {
  Json trials = Json::array();
  for (const client::PrecisionTrial& trial : report.trials) {
    trials.push_back(
        {{"precision", trial.precision},
         {"picture_time_ms",
          trial.picture_time ? Json(std::chrono::duration<double, std::milli>(
                                        *trial.picture_time)
                                        .count())
                             : Json()},
         {"examples", trial.examples},
         {"agreeing", trial.agreeing},
         {"logit_error", trial.logit_error},
         {"labelled", trial.labelled},
         {"correct", trial.correct},
         {"memory_bytes", trial.memory_bytes},
         {"objection", trial.objection},
         {"objection_text", trial.objection_text}});
  }
  return {{"dataset", report.dataset},
          {"dataset_digest", report.dataset_digest},
          {"part", absl::AsciiStrToUpper(client::DatasetPartName(report.part))},
          {"trials", trials},
          {"policy", report.policy},
          {"chosen", report.chosen},
          {"fastest", report.fastest},
          {"calibration_method", report.calibration_method}};
}

}  // namespace resnetd::cli

#include "client/cli/job_text.h"

#include <cmath>
#include <cstdint>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/cli/gradients_text.h"
#include "client/cli/model_ref.h"
#include "client/cli/model_text.h"
#include "client/cli/text.h"
#include "server/base/quote.h"

namespace resnetd::cli {
namespace {

using client::JobState;

std::string Behind(const std::string& text) {
  return text.empty() ? "" : absl::StrCat(": ", text);
}

std::string StepsText(const client::StepMetrics& metrics) {
  return metrics.steps > 1
             ? absl::StrCat("steps ", metrics.step - metrics.steps + 1, "-",
                            metrics.step)
             : absl::StrCat("step ", metrics.step);
}

std::string EvaluationText(const client::EvaluationMetrics& metrics) {
  std::string text = absl::StrCat(
      FormatShare(metrics.accuracy), " of ", FormatCount(metrics.examples),
      " pictures at step ", metrics.step, ", loss ", FormatNumber(metrics.loss),
      ", calibration error ", FormatNumber(metrics.calibration_error));
  if (metrics.old_class_accuracy) {
    absl::StrAppend(&text, ", old classes ",
                    FormatShare(*metrics.old_class_accuracy));
  }
  if (metrics.new_class_accuracy) {
    absl::StrAppend(&text, ", new classes ",
                    FormatShare(*metrics.new_class_accuracy));
  }
  return text;
}

std::string VerdictText(const client::GateVerdict& verdict) {
  std::vector<std::string> failed;
  for (const client::GateCriterion& criterion : verdict.criteria) {
    if (!criterion.passed) {
      failed.push_back(criterion.text.empty() ? criterion.name
                                              : criterion.text);
    }
  }
  if (!verdict.passed) {
    return absl::StrCat("gate not passed", Behind(absl::StrJoin(failed, "; ")));
  }
  return verdict.is_better ? "gate passed: better than before" : "gate passed";
}

std::string ActionWords(client::AlarmAction action) {
  switch (action) {
    case client::AlarmAction::kPause:
      return "; the job is paused";
    case client::AlarmAction::kRollback:
      return "; the job goes back to its last checkpoint";
    case client::AlarmAction::kFail:
      return "; the job fails";
    case client::AlarmAction::kStop:
      return "; the training ends";
    default:
      return "";
  }
}

struct EventWords {
  std::string operator()(const std::monostate&) const {
    return "an event that this resnetctl does not know";
  }
  std::string operator()(const client::StateChanged& change) const {
    return absl::StrCat(client::JobStateName(change.to),
                        Behind(change.message));
  }
  std::string operator()(const client::StepMetrics& metrics) const {
    return absl::StrCat(
        StepsText(metrics), ": loss ", FormatNumber(metrics.loss),
        ", accuracy ", FormatShare(metrics.accuracy), ", gradient ",
        FormatNumber(metrics.gradient_norm), ", rate ",
        FormatNumber(metrics.learning_rate), ", ",
        FormatNumber(metrics.examples_per_second), " pictures/s");
  }
  std::string operator()(const client::EvaluationMetrics& metrics) const {
    return absl::StrCat("validation: ", EvaluationText(metrics),
                        metrics.is_best ? ", the best so far" : "");
  }
  std::string operator()(const client::CheckpointSaved& saved) const {
    return absl::StrCat("checkpoint at step ", saved.step, ", ",
                        FormatBytes(saved.size_bytes),
                        saved.is_best ? ", the best so far" : "");
  }
  std::string operator()(const client::Recovered& recovered) const {
    return absl::StrCat(
        "went back from step ", recovered.from_step, " to step ",
        recovered.to_step,
        recovered.rate_factor == 1
            ? ""
            : absl::StrCat(", rates x ", FormatNumber(recovered.rate_factor)),
        Behind(recovered.message));
  }
  std::string operator()(const client::Throttled& throttled) const {
    return throttled.duty < 1
               ? absl::StrFormat(
                     "trains %.0f %% of the time: serving comes first",
                     throttled.duty * 100)
               : "trains all the time again";
  }
  std::string operator()(const client::GateVerdict& verdict) const {
    return VerdictText(verdict);
  }
  std::string operator()(const client::Promoted& promoted) const {
    return promoted.previous_version > 0
               ? absl::StrCat(promoted.alias, " ", promoted.previous_version,
                              " -> ", promoted.version)
               : absl::StrCat(promoted.alias, " -> ", promoted.version);
  }
  std::string operator()(const client::LogLine& line) const {
    return absl::StrCat(line.is_warning ? "warning: " : "", line.text);
  }
  std::string operator()(const client::BlockGradients& gradients) const {
    return absl::StrCat("gradients: ", SampleText(gradients.sample));
  }
  std::string operator()(const client::AlarmRaised& raised) const {
    return absl::StrCat("ALARM ", client::AlarmKindName(raised.kind),
                        " at step ", raised.step, Behind(raised.text),
                        ActionWords(raised.action));
  }
  std::string operator()(const client::AlarmCleared& cleared) const {
    return absl::StrCat("alarm ", client::AlarmKindName(cleared.kind),
                        " of step ", cleared.raised_step, " is over at step ",
                        cleared.step);
  }
};

// The version that the job has made, e.g. "digits@4".
std::string ResultName(const client::Job& job) {
  return absl::StrCat(ShortName(job.spec.model), "@",
                      job.status.result_version);
}

void AddProgress(const client::JobStatus& status, Table& table) {
  if (status.queue_position > 0) {
    table.AddRow(
        {"in the queue", absl::StrCat("place ", status.queue_position)});
  }
  if (!status.waiting_for.empty()) {
    table.AddRow({"waits for", status.waiting_for});
  }
  if (status.duty < 1) {
    table.AddRow({"trains", absl::StrFormat("%.0f %% of the time: serving "
                                            "comes first",
                                            status.duty * 100)});
  }
  if (status.total_steps > 0) {
    table.AddRow({"step", absl::StrCat(FormatCount(status.step), " of ",
                                       FormatCount(status.total_steps))});
  }
  if (status.attempt > 1) {
    table.AddRow({"restarts", absl::StrCat(status.attempt - 1)});
  }
  if (status.setbacks > 0) {
    table.AddRow({"setbacks", absl::StrCat(status.setbacks)});
  }
  if (status.last_step) {
    table.AddRow({"training", EventWords()(*status.last_step)});
  }
  if (status.last_evaluation) {
    table.AddRow({"validation", EvaluationText(*status.last_evaluation)});
  }
  if (status.best_evaluation) {
    table.AddRow({"best", EvaluationText(*status.best_evaluation)});
  }
  for (const client::ActiveAlarm& alarm : status.alarms) {
    table.AddRow({"alarm", absl::StrCat(client::AlarmKindName(alarm.kind),
                                        " since step ", alarm.step,
                                        Behind(alarm.text))});
  }
}

void AddTimes(const client::Job& job, Table& table) {
  const auto utc = [](std::chrono::system_clock::time_point time) {
    return absl::StrCat(FormatTime(time), " UTC");
  };
  table.AddRow({"created", utc(job.create_time)});
  if (job.status.start_time) {
    table.AddRow({"started", utc(*job.status.start_time)});
  }
  if (job.status.end_time) {
    table.AddRow({"ended", utc(*job.status.end_time)});
  }
}

}  // namespace

std::string ParseJobRef(const std::string& text, std::string& job) {
  const absl::string_view digits = absl::StripPrefix(text, "jobs/");
  std::int64_t number = 0;
  if (!absl::SimpleAtoi(digits, &number) || number < 1) {
    return absl::StrCat(Quoted(text),
                        " is not a job: write its number, e.g. 7; `resnetctl "
                        "train list` lists them");
  }
  job = absl::StrCat("jobs/", number);
  return "";
}

std::string ShortJob(absl::string_view resource) {
  return std::string(absl::StripPrefix(resource, "jobs/"));
}

std::string ShortDataset(absl::string_view resource) {
  return std::string(absl::StripPrefix(resource, "datasets/"));
}

std::string EventText(const client::JobEvent& event) {
  return std::visit(EventWords(), event.body);
}

std::string EventLine(const client::JobEvent& event) {
  return Printable(absl::StrCat(FormatTime(event.time), "  ", event.sequence,
                                "  ", EventText(event)));
}

std::string FormatShare(double share) {
  return absl::StrFormat("%.2f %%", share * 100);
}

std::string FormatNumber(double number) {
  return absl::StrFormat("%.4g", number);
}

std::string FormatBase(const client::JobSpec& spec) {
  if (!spec.architecture.empty()) {
    return absl::StrCat(ShortName(spec.model), " (", spec.architecture,
                        " from scratch)");
  }
  return spec.base_version > 0
             ? absl::StrCat(ShortName(spec.model), "@", spec.base_version)
             : ShortName(spec.model);
}

std::string FormatPromotion(const client::JobSpec& spec) {
  switch (spec.promotion) {
    case client::PromotionKind::kCandidate:
      return "alias candidate";
    case client::PromotionKind::kAlias:
      return absl::StrCat("alias ", spec.alias.empty() ? "stable" : spec.alias);
    default:
      return "";
  }
}

void AddJob(const client::Job& job, Table& table) {
  const client::JobStatus& status = job.status;
  if (!job.name.empty()) {
    table.AddRow({"job", ShortJob(job.name)});
  }
  if (!job.spec.display_name.empty()) {
    table.AddRow({"name", job.spec.display_name});
  }
  table.AddRow({"state", std::string(client::JobStateName(status.state))});
  if (status.error) {
    table.AddRow({"error", absl::StrCat(status.error->reason,
                                        Behind(status.error->message))});
  }
  table.AddRow({"base", FormatBase(job.spec)});
  table.AddRow({"dataset", ShortDataset(job.spec.dataset)});
  AddProgress(status, table);
  if (status.result_version > 0) {
    table.AddRow({"result", ResultName(job)});
  }
  if (const std::string promotion = FormatPromotion(job.spec);
      !promotion.empty()) {
    table.AddRow({"promotion",
                  absl::StrCat(promotion, ", ",
                               client::PromotionStateName(status.promotion))});
  }
  if (status.watched_until) {
    table.AddRow({"watched until",
                  absl::StrCat(FormatTime(*status.watched_until), " UTC")});
  }
  if (!job.name.empty()) {
    AddTimes(job, table);
  }
  if (!status.environment.empty()) {
    table.AddRow({"computed by", status.environment});
  }
}

void AddEstimate(const client::JobEstimate& estimate, Table& table) {
  table.AddRow({"steps", absl::StrCat(estimate.steps)});
  table.AddRow(
      {"time", absl::StrCat(FormatDuration(estimate.duration_low), " to ",
                            FormatDuration(estimate.duration_high), ", by ",
                            estimate.measured_steps, " steps")});
  table.AddRow(
      {"memory",
       absl::StrCat("about ", FormatBytes(estimate.peak_bytes),
                    estimate.free_bytes > 0
                        ? absl::StrCat(" of ", FormatBytes(estimate.free_bytes),
                                       " that are free")
                        : "")});
}

Table GateTable(const client::GateVerdict& verdict) {
  Table table({{"CRITERION"},
               {"VALUE", Align::kRight},
               {"BOUND", Align::kRight},
               {"PASSED"},
               {"WHY"}});
  for (const client::GateCriterion& criterion : verdict.criteria) {
    table.AddRow({criterion.name,
                  criterion.value ? FormatNumber(*criterion.value) : "-",
                  FormatNumber(criterion.bound),
                  criterion.passed ? "yes" : "NO", criterion.text});
  }
  return table;
}

std::string OutcomeText(const client::Job& job) {
  const client::JobStatus& status = job.status;
  const std::string name = absl::StrCat("job ", ShortJob(job.name));
  switch (status.state) {
    case JobState::kSucceeded:
      break;
    case JobState::kFailed:
      return absl::StrCat(name, " failed",
                          status.error
                              ? absl::StrCat(" (", status.error->reason, ")",
                                             Behind(status.error->message))
                              : "");
    case JobState::kCancelled:
      return absl::StrCat(name, " was cancelled at step ", status.step);
    default:
      return absl::StrCat(name, " is ", client::JobStateName(status.state));
  }
  std::string text = absl::StrCat(name, " made ", ResultName(job));
  if (status.best_evaluation) {
    absl::StrAppend(&text, ": ", FormatShare(status.best_evaluation->accuracy),
                    " of ", FormatCount(status.best_evaluation->examples),
                    " validation pictures");
  }
  switch (status.promotion) {
    case client::PromotionState::kPromoted:
      absl::StrAppend(&text, "; ", FormatPromotion(job.spec), " names it");
      break;
    case client::PromotionState::kGateNotPassed:
      absl::StrAppend(&text, "; it was not promoted: the gate is not passed");
      break;
    case client::PromotionState::kRolledBack:
      absl::StrAppend(&text, "; it was promoted and rolled back");
      break;
    default:
      break;
  }
  return text;
}

std::string NextCommand(const client::Job& job) {
  const client::JobStatus& status = job.status;
  const std::string number = ShortJob(job.name);
  switch (status.state) {
    case JobState::kSucceeded:
      if (status.gate && !status.gate->passed) {
        return absl::StrCat("resnetctl models evaluate ", ResultName(job),
                            " --dataset ", ShortDataset(job.spec.dataset));
      }
      return status.promotion == client::PromotionState::kPromoted
                 ? absl::StrCat("resnetctl classify -m ",
                                ShortName(job.spec.model), " PICTURE")
                 : absl::StrCat("resnetctl models promote ", ResultName(job));
    case JobState::kFailed:
      return absl::StrCat("resnetctl train logs ", number);
    case JobState::kCancelled:
      return absl::StrCat("resnetctl train checkpoints ", number);
    case JobState::kCreated:
      return absl::StrCat("resnetctl train run ", number);
    case JobState::kPaused:
    case JobState::kPausing:
      return absl::StrCat("resnetctl train resume ", number);
    default:
      return absl::StrCat("resnetctl train watch ", number);
  }
}

bool IsSuccess(const client::Job& job) {
  if (job.status.state != JobState::kSucceeded) {
    return false;
  }
  return FormatPromotion(job.spec).empty() ||
         job.status.promotion == client::PromotionState::kPromoted;
}

}  // namespace resnetd::cli

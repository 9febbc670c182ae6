#include "server/finetune/job_ledger.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/finetune/job_json.h"

namespace resnetd {
namespace {

absl::Status CheckFollows(const Job& job, JobState to) {
  if (job.status.state == to || CanFollow(job.status.state, to)) {
    return absl::OkStatus();
  }
  return Error(
      absl::StatusCode::kInternal, Reason::kInternal,
      absl::StrCat("job ", job.number.value, " cannot go from ",
                   JobStateName(job.status.state), " to ", JobStateName(to)));
}

absl::Status CheckEtag(const Job& job, absl::string_view etag) {
  if (etag.empty() || etag == job.etag) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kAborted, Reason::kEtagMismatch,
               absl::StrCat("job ", job.number.value,
                            " changed since it was read: it is ",
                            JobStateName(job.status.state), ", its etag is ",
                            job.etag))
      .Metadata("etag", job.etag)
      .Metadata("state", JobStateName(job.status.state))
      .Resource("job", absl::StrCat("jobs/", job.number.value));
}

// Whether somebody who saw the job as it was would now decide otherwise.
bool IsNews(const JobStatus& before, const JobStatus& after) {
  return before.state != after.state || before.result != after.result ||
         before.promotion != after.promotion ||
         before.error.has_value() != after.error.has_value();
}

JobChange ChangeOf(const Job& job, const JobRow& row, JobEdit edit) {
  JobChange change{.job = job.number,
                   .expected_generation = row.generation,
                   .events = {},
                   .checkpoint = std::move(edit.checkpoint),
                   .remove_checkpoints = std::move(edit.remove_checkpoints),
                   .forget_samples_after = edit.forget_samples_after,
                   .samples = std::move(edit.samples)};
  // A job that is done keeps its state and status, and may still lose
  // checkpoints.
  if (edit.status.state != job.status.state) {
    change.state = static_cast<int>(edit.status.state);
    change.is_done = IsDone(edit.status.state);
  }
  if (IsNews(job.status, edit.status)) {
    ++edit.status.revision;
  }
  if (std::string status = FormatStatus(edit.status); status != row.status) {
    change.status = std::move(status);
  }
  if (edit.after_end) {
    change.after_end = true;
    change.state.reset();
    change.is_done = false;
  }
  if (edit.status.state != job.status.state) {
    change.events.push_back(
        FormatEvent(StateChanged{.from = job.status.state,
                                 .to = edit.status.state,
                                 .text = std::move(edit.text)}));
  }
  for (const JobEventBody& body : edit.events) {
    change.events.push_back(FormatEvent(body));
  }
  return change;
}

}  // namespace

std::string CheckpointName(JobNumber job, std::int64_t step) {
  return absl::StrCat("jobs/", job.value, "/checkpoints/", step);
}

absl::StatusOr<Job> JobLedger::Change(JobNumber job, const Decide& decide,
                                      absl::string_view etag,
                                      const std::optional<Mutation>& mutation) {
  if (mutation) {
    // Before the etag and the state are looked at, which it changed itself.
    ASSIGN_OR_RETURN(const std::optional<JobNumber> repeated,
                     FindRepeated(*mutation));
    if (repeated) {
      ASSIGN_OR_RETURN(const JobRow row, catalog_.GetJob(*repeated));
      return JobOfRow(row);
    }
  }
  while (true) {
    ASSIGN_OR_RETURN(const JobRow row, catalog_.GetJob(job));
    ASSIGN_OR_RETURN(Job before, JobOfRow(row));
    RETURN_IF_ERROR(CheckEtag(before, etag));
    ASSIGN_OR_RETURN(JobEdit edit, decide(before));
    if (edit.changes_nothing) {
      return before;
    }
    RETURN_IF_ERROR(CheckFollows(before, edit.status.state));
    const std::vector<JobEventBody> events = edit.events;
    const absl::StatusOr<JobRow> changed =
        catalog_.ChangeJob(ChangeOf(before, row, std::move(edit)), mutation);
    if (absl::IsAborted(changed.status())) {
      // Somebody was faster; what they made of it counts now.
      continue;
    }
    RETURN_IF_ERROR(changed.status());
    listeners_.Notify();
    ASSIGN_OR_RETURN(Job after, JobOfRow(*changed));
    metrics_.Changed(after, changed->generation, before.status.state, events);
    return after;
  }
}

absl::StatusOr<std::optional<JobNumber>> JobLedger::FindRepeated(
    const Mutation& mutation) {
  ASSIGN_OR_RETURN(const std::optional<std::string> resource,
                   catalog_.FindRequest(mutation));
  JobNumber job;
  absl::string_view number;
  if (resource) {
    number = *resource;
  }
  if (!absl::ConsumePrefix(&number, "jobs/") ||
      !absl::SimpleAtoi(number, &job.value)) {
    return std::optional<JobNumber>();
  }
  return std::optional(job);
}

absl::StatusOr<CreatedJob> JobLedger::Create(const JobSpec& spec,
                                             const JobStatus& status,
                                             const JobLimits& limits,
                                             const Mutation& mutation) {
  JobRow row{.state = static_cast<int>(status.state),
             .spec = FormatSpec(spec),
             .status = FormatStatus(status),
             .dataset = spec.dataset};
  ASSIGN_OR_RETURN(
      CreatedJob created,
      catalog_.CreateJob(row,
                         {FormatEvent(StateChanged{.from = JobState::kCreated,
                                                   .to = status.state})},
                         limits, mutation));
  if (created.created) {
    listeners_.Notify();
    ASSIGN_OR_RETURN(const Job job, JobOfRow(created.job));
    metrics_.Changed(job, created.job.generation, std::nullopt, {});
  }
  return created;
}

absl::StatusOr<CheckpointRow> JobLedger::FindCheckpoint(JobNumber job,
                                                        std::int64_t step) {
  ASSIGN_OR_RETURN(std::vector<CheckpointRow> rows,
                   catalog_.ListCheckpoints(job));
  std::string kept;
  for (CheckpointRow& row : rows) {
    if (row.step == step) {
      return std::move(row);
    }
    absl::StrAppend(&kept, kept.empty() ? "" : ", ", row.step);
  }
  return Error(absl::StatusCode::kNotFound, Reason::kCheckpointNotFound,
               absl::StrCat("job ", job.value, " has no checkpoint of step ",
                            step, kept.empty() ? ", and no other" : "; of ",
                            kept, kept.empty() ? "" : " it has"))
      .Metadata("steps", kept)
      .Resource("checkpoint", CheckpointName(job, step));
}

absl::Status JobLedger::Delete(JobNumber job, absl::string_view etag,
                               const Mutation& mutation) {
  ASSIGN_OR_RETURN(const std::optional<JobNumber> repeated,
                   FindRepeated(mutation));
  while (!repeated) {
    ASSIGN_OR_RETURN(const JobRow row, catalog_.GetJob(job));
    ASSIGN_OR_RETURN(const Job before, JobOfRow(row));
    RETURN_IF_ERROR(CheckEtag(before, etag));
    RETURN_IF_ERROR(
        DecideCall(job, before.status.state, JobCall::kDelete).status());
    const absl::Status removed = catalog_.DeleteJob(job, EtagOf(row), mutation);
    if (absl::IsAborted(removed)) {
      continue;
    }
    RETURN_IF_ERROR(removed);
    listeners_.Notify();
    break;
  }
  return absl::OkStatus();
}

}  // namespace resnetd

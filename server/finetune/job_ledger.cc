#include "server/finetune/job_ledger.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
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
  return Error(
             absl::StatusCode::kAborted, Reason::kEtagMismatch,
             absl::StrCat("job ", job.number.value,
                          " changed since it was read: its etag is ", job.etag))
      .Metadata("etag", job.etag);
}

JobChange ChangeOf(const Job& job, const JobRow& row, JobEdit edit) {
  JobChange change{.job = job.number,
                   .expected_generation = row.generation,
                   .state = static_cast<int>(edit.status.state),
                   .is_done = IsDone(edit.status.state),
                   .status = FormatStatus(edit.status),
                   .events = {},
                   .checkpoint = std::move(edit.checkpoint),
                   .remove_checkpoints = std::move(edit.remove_checkpoints)};
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

absl::StatusOr<Job> JobLedger::Change(JobNumber job, const Decide& decide,
                                      absl::string_view etag,
                                      const std::optional<Mutation>& mutation) {
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

absl::StatusOr<CreatedJob> JobLedger::Create(const JobSpec& spec,
                                             const JobStatus& status,
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
                         mutation));
  if (created.created) {
    listeners_.Notify();
    ASSIGN_OR_RETURN(const Job job, JobOfRow(created.job));
    metrics_.Changed(job, created.job.generation, std::nullopt, {});
  }
  return created;
}

absl::Status JobLedger::Delete(JobNumber job, absl::string_view etag,
                               const Mutation& mutation) {
  RETURN_IF_ERROR(catalog_.DeleteJob(job, etag, mutation));
  listeners_.Notify();
  return absl::OkStatus();
}

}  // namespace resnetd

#include "server/finetune/job_views.h"

#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/finetune/job_json.h"
#include "server/finetune/job_state.h"

namespace resnetd {
namespace {

// `open`: the jobs that are not done, at least.
void AddQueue(const std::vector<JobRow>& open, Job& job) {
  if (job.status.state != JobState::kQueued) {
    return;
  }
  int position = 1;
  for (const JobRow& row : open) {
    position += row.state == static_cast<int>(JobState::kQueued) &&
                        row.number < job.number
                    ? 1
                    : 0;
  }
  job.status.queue_position = position;
  job.status.waiting_for = "SLOT";
}

// OUT_OF_RANGE (EVENTS_EXPIRED) when there is no event `after` yet: a caller
// who has seen one saw another store.
absl::Status CheckGiven(JobCatalog& catalog, JobNumber number,
                        std::int64_t after) {
  ASSIGN_OR_RETURN(const JobRow row, catalog.GetJob(number));
  if (after <= row.last_event) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kOutOfRange, Reason::kEventsExpired,
               absl::StrCat("job ", number.value, " has no event ", after,
                            " yet, its newest is ", row.last_event,
                            ": begin again after 0"))
      .Metadata("oldest", row.last_event > 0 ? "1" : "0")
      .Metadata("newest", absl::StrCat(row.last_event))
      .Resource("job", absl::StrCat("jobs/", number.value));
}

}  // namespace

absl::StatusOr<Job> ViewJob(JobCatalog& catalog, const JobRow& row) {
  ASSIGN_OR_RETURN(Job job, JobOfRow(row));
  if (job.status.state == JobState::kQueued) {
    ASSIGN_OR_RETURN(const std::vector<JobRow> open, catalog.ListOpenJobs());
    AddQueue(open, job);
  }
  return job;
}

absl::StatusOr<Job> ViewJob(JobCatalog& catalog, JobNumber job) {
  ASSIGN_OR_RETURN(const JobRow row, catalog.GetJob(job));
  return ViewJob(catalog, row);
}

absl::StatusOr<std::vector<Job>> ViewJobs(JobCatalog& catalog) {
  ASSIGN_OR_RETURN(const std::vector<JobRow> rows, catalog.ListJobs());
  std::vector<Job> jobs;
  jobs.reserve(rows.size());
  for (const JobRow& row : rows) {
    ASSIGN_OR_RETURN(Job job, JobOfRow(row));
    AddQueue(rows, job);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

absl::StatusOr<std::vector<JobEvent>> ViewEvents(JobCatalog& catalog,
                                                 JobNumber number,
                                                 std::int64_t after,
                                                 std::size_t limit) {
  ASSIGN_OR_RETURN(const std::vector<JobEventRow> rows,
                   catalog.ListJobEvents(number, after, limit));
  if (rows.empty() && after > 0) {
    RETURN_IF_ERROR(CheckGiven(catalog, number, after));
  }
  std::vector<JobEvent> events;
  events.reserve(rows.size());
  for (const JobEventRow& row : rows) {
    ASSIGN_OR_RETURN(JobEvent event, ParseEvent(row));
    events.push_back(std::move(event));
  }
  return events;
}

absl::StatusOr<GradientReport> ViewGradients(JobCatalog& catalog,
                                             const GradientQuery& query) {
  ASSIGN_OR_RETURN(const JobRow row, catalog.GetJob(query.job));
  ASSIGN_OR_RETURN(const Job job, JobOfRow(row));
  const std::int64_t last = query.last_step > 0
                                ? query.last_step
                                : std::numeric_limits<std::int64_t>::max();
  ASSIGN_OR_RETURN(const JobSamples samples,
                   catalog.ListJobSamples(query.job, query.first_step, last));
  return MakeGradientReport(job, samples, query);
}

absl::StatusOr<std::vector<Checkpoint>> ViewCheckpoints(JobCatalog& catalog,
                                                        JobNumber number) {
  ASSIGN_OR_RETURN(const std::vector<CheckpointRow> rows,
                   catalog.ListCheckpoints(number));
  std::vector<Checkpoint> checkpoints;
  for (const CheckpointRow& row : rows) {
    ASSIGN_OR_RETURN(Checkpoint checkpoint, CheckpointOfRow(row));
    checkpoints.push_back(checkpoint);
  }
  return checkpoints;
}

}  // namespace resnetd

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/ids.h"
#include "server/finetune/gradient_report.h"
#include "server/finetune/job.h"
#include "server/store/job_catalog.h"

namespace resnetd {

// What is known of the jobs of a store, as their callers see it. Errors of the
// catalog; DATA_LOSS (STORE_CORRUPT). NOT_FOUND (JOB_NOT_FOUND) for a job that
// is not there.

// With its place in the queue and what it waits for.
absl::StatusOr<Job> ViewJob(JobCatalog& catalog, JobNumber job);
absl::StatusOr<Job> ViewJob(JobCatalog& catalog, const JobRow& row);
// Newest first.
absl::StatusOr<std::vector<Job>> ViewJobs(JobCatalog& catalog);

// At most `limit` events after `after`, in order. OUT_OF_RANGE
// (EVENTS_EXPIRED): there is no event `after` yet; metadata "oldest" and
// "newest", the sequences of those that there are.
absl::StatusOr<std::vector<JobEvent>> ViewEvents(JobCatalog& catalog,
                                                 JobNumber job,
                                                 std::int64_t after,
                                                 std::size_t limit);

// See MakeGradientReport().
absl::StatusOr<GradientReport> ViewGradients(JobCatalog& catalog,
                                             const GradientQuery& query);

// In order of step.
absl::StatusOr<std::vector<Checkpoint>> ViewCheckpoints(JobCatalog& catalog,
                                                        JobNumber job);

}  // namespace resnetd

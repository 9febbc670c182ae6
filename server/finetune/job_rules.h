#pragma once

#include <chrono>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/finetune/job.h"
#include "server/finetune/job_state.h"
#include "server/store/store_types.h"

namespace resnetd {

// What of a spec is wrong whatever it is about: INVALID_ARGUMENT
// (REQUEST_INVALID) naming every field.
absl::Status CheckSpec(const JobSpec& spec);

// A change that a job makes by itself, e.g. by "PromoteVersion".
Mutation OfJob(JobNumber job, absl::string_view method);

// UNAVAILABLE (DRAINING).
absl::Status ServerStopping();

// Puts the status into `state`, and notes the time when that is an end.
void EnterState(JobState state, WallTime now, JobStatus& status);

// When a run that begins `now` is over by its limit of time, 0: none, after the
// runs before it took `ran`.
SteadyTime DeadlineOf(SteadyTime now, std::chrono::seconds limit, Duration ran);

// The states that a job goes through when a server starts and finds it in
// `state`: what was interrupted goes back to the queue, what was on its way to
// a pause or an end arrives there. Empty: it stays.
std::vector<JobState> StatesAfterRestart(JobState state);

// Whether what failed is the server's, not the job's, which stays as it is for
// the next start: the store, or a device that broke, with which the process
// ends.
bool IsTroubleOfServer(const absl::Status& status);

// A job under which a device breaks again and again may be what breaks it.
inline constexpr int kAttemptsThatBreak = 3;

// `why`, by which attempt `attempt` of a job ended; but where a device broke in
// the last of kAttemptsThatBreak attempts or a later one, before that saved
// anything: an error that ends the job, so that the server stays up.
// FAILED_PRECONDITION (BACKEND_UNAVAILABLE).
absl::Status AfterTrouble(absl::Status why, int attempt, bool has_saved);

}  // namespace resnetd

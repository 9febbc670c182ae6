#pragma once

#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/finetune/job.h"
#include "server/finetune/job_state.h"

namespace resnetd {

// What of a spec is wrong whatever it is about: INVALID_ARGUMENT
// (REQUEST_INVALID) naming every field.
absl::Status CheckSpec(const JobSpec& spec);

// Puts the status into `state`, and notes the time when that is an end.
void EnterState(JobState state, WallTime now, JobStatus& status);

// The states that a job goes through when a server starts and finds it in
// `state`: what was interrupted goes back to the queue, what was on its way to
// a pause or an end arrives there. Empty: it stays.
std::vector<JobState> StatesAfterRestart(JobState state);

}  // namespace resnetd

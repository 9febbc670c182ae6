#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"

namespace resnetd {

// Where a fine-tuning job is. The numbers are those of the database
// (JobRow::state): they never change their meaning.
enum class JobState {
  kCreated = 1,     // Waits for a call to start it.
  kQueued = 2,      // Waits for the device.
  kValidating = 3,  // Base, dataset and recipe are looked at.
  kPreparing = 4,   // Pictures, weights and trainer are made ready.
  kRunning = 5,
  kPausing = 6,  // A checkpoint is taken at the next step.
  kPaused = 7,
  kEvaluating = 8,   // The result is measured and goes through the gate.
  kRecovering = 9,   // The server came back and found the job in work.
  kCancelling = 10,  // The step in work ends, then the job does.
  kSucceeded = 11,
  kFailed = 12,
  kCancelled = 13,
};

// Every state, in the order above.
const std::vector<JobState>& AllJobStates();

// The upper-case name, e.g. "QUEUED".
absl::string_view JobStateName(JobState state);

// Of a number from the database; nullopt: no state has it.
std::optional<JobState> JobStateOf(int number);

// SUCCEEDED, FAILED or CANCELLED: nothing follows.
bool IsDone(JobState state);

// Whether the server has work of the job in hand, which a crash interrupts:
// VALIDATING, PREPARING, RUNNING, PAUSING, EVALUATING, RECOVERING.
bool IsActive(JobState state);

// Whether a job may go from one state to the other in one step:
//   CREATED -> QUEUED -> VALIDATING -> PREPARING -> RUNNING -> EVALUATING
//   -> SUCCEEDED; RUNNING -> PAUSING -> PAUSED -> QUEUED; QUEUED -> PAUSED;
//   QUEUED -> RUNNING, from a checkpoint; what is not done -> CANCELLING ->
//   CANCELLED; what is active -> FAILED; after a restart VALIDATING, PREPARING,
//   RUNNING or EVALUATING -> RECOVERING -> QUEUED.
bool CanFollow(JobState from, JobState to);

enum class JobCall { kStart, kPause, kResume, kCancel, kDelete };

// E.g. "pause".
absl::string_view JobCallName(JobCall call);

enum class CallEffect {
  kChangeState,
  // The job is where the call wants it already: it is OK.
  kNothing,
  // The job is removed.
  kRemove,
};

struct CallDecision {
  CallEffect effect = CallEffect::kNothing;
  // With kChangeState.
  JobState next = JobState::kCreated;
};

// What `call` does to `job`, which is in `state`. JobStateError(), with the
// states that allow the call and what to do instead in its text.
absl::StatusOr<CallDecision> DecideCall(JobNumber job, JobState state,
                                        JobCall call);

// FAILED_PRECONDITION (JOB_STATE): "job N is STATE; `text`", with the name of
// the state in metadata "state" and the job as its resource.
absl::Status JobStateError(JobNumber job, JobState state,
                           absl::string_view text);

}  // namespace resnetd

#include "server/finetune/job_state.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using State = JobState;

// The ordinary ways; cancelling and failing are rules, not rows.
struct Way {
  State from;
  State to;
};
constexpr Way kWays[] = {
    {State::kCreated, State::kQueued},
    {State::kQueued, State::kValidating},
    {State::kQueued, State::kRunning},
    {State::kQueued, State::kPaused},
    {State::kValidating, State::kPreparing},
    {State::kValidating, State::kRecovering},
    {State::kPreparing, State::kRunning},
    {State::kPreparing, State::kRecovering},
    {State::kRunning, State::kPausing},
    {State::kRunning, State::kEvaluating},
    {State::kRunning, State::kRecovering},
    {State::kPausing, State::kPaused},
    {State::kPaused, State::kQueued},
    {State::kEvaluating, State::kSucceeded},
    {State::kEvaluating, State::kRecovering},
    {State::kRecovering, State::kQueued},
    {State::kCancelling, State::kCancelled},
};

struct CallRow {
  JobCall call;
  State from;
  CallDecision decision;
};

CallRow GoTo(JobCall call, State from, State next) {
  return {.call = call,
          .from = from,
          .decision = {.effect = CallEffect::kChangeState, .next = next}};
}

CallRow Plain(JobCall call, State from, CallEffect effect) {
  return {
      .call = call, .from = from, .decision = {.effect = effect, .next = from}};
}

// Which states allow which call.
std::vector<CallRow> CallRows() {
  std::vector<CallRow> rows = {
      GoTo(JobCall::kStart, State::kCreated, State::kQueued),
      // No work is in hand that would have to end first.
      GoTo(JobCall::kPause, State::kQueued, State::kPaused),
      GoTo(JobCall::kPause, State::kRunning, State::kPausing),
      GoTo(JobCall::kResume, State::kPaused, State::kQueued),
  };
  for (const State state : AllJobStates()) {
    if (state == State::kCancelling || state == State::kCancelled) {
      rows.push_back(Plain(JobCall::kCancel, state, CallEffect::kNothing));
    } else if (!IsDone(state)) {
      rows.push_back(GoTo(JobCall::kCancel, state, State::kCancelling));
    }
    if (IsDone(state)) {
      rows.push_back(Plain(JobCall::kDelete, state, CallEffect::kRemove));
    }
  }
  return rows;
}

// What to do instead of a call that the state does not allow.
absl::string_view AdviceFor(JobState state, JobCall call) {
  if (IsDone(state)) {
    return "it is over; create another job to go on";
  }
  if (call == JobCall::kDelete) {
    return "cancel it first, or wait for its end";
  }
  switch (state) {
    case State::kCreated:
      return "start it first";
    case State::kPausing:
    case State::kPaused:
      return "resume it when it is PAUSED to let it go on";
    case State::kCancelling:
      return "it is about to end; create another job to go on";
    case State::kEvaluating:
      return "its steps are done; wait for its end, or cancel it";
    default:
      return call == JobCall::kPause ? "try again when it is RUNNING"
                                     : "it goes on already";
  }
}

}  // namespace

const std::vector<JobState>& AllJobStates() {
  static const auto* const states = new std::vector<JobState>{
      State::kCreated,    State::kQueued,     State::kValidating,
      State::kPreparing,  State::kRunning,    State::kPausing,
      State::kPaused,     State::kEvaluating, State::kRecovering,
      State::kCancelling, State::kSucceeded,  State::kFailed,
      State::kCancelled};
  return *states;
}

absl::string_view JobStateName(JobState state) {
  switch (state) {
    case State::kCreated:
      return "CREATED";
    case State::kQueued:
      return "QUEUED";
    case State::kValidating:
      return "VALIDATING";
    case State::kPreparing:
      return "PREPARING";
    case State::kRunning:
      return "RUNNING";
    case State::kPausing:
      return "PAUSING";
    case State::kPaused:
      return "PAUSED";
    case State::kEvaluating:
      return "EVALUATING";
    case State::kRecovering:
      return "RECOVERING";
    case State::kCancelling:
      return "CANCELLING";
    case State::kSucceeded:
      return "SUCCEEDED";
    case State::kFailed:
      return "FAILED";
    case State::kCancelled:
      return "CANCELLED";
  }
  return "UNKNOWN";
}

std::optional<JobState> JobStateOf(int number) {
  for (const State state : AllJobStates()) {
    if (static_cast<int>(state) == number) {
      return state;
    }
  }
  return std::nullopt;
}

bool IsDone(JobState state) {
  return state == State::kSucceeded || state == State::kFailed ||
         state == State::kCancelled;
}

bool IsActive(JobState state) {
  return state == State::kValidating || state == State::kPreparing ||
         state == State::kRunning || state == State::kPausing ||
         state == State::kEvaluating || state == State::kRecovering;
}

bool CanFollow(JobState from, JobState to) {
  if (to == State::kCancelling) {
    return !IsDone(from) && from != State::kCancelling;
  }
  if (to == State::kFailed) {
    return IsActive(from);
  }
  return std::any_of(std::begin(kWays), std::end(kWays), [=](const Way& way) {
    return way.from == from && way.to == to;
  });
}

absl::string_view JobCallName(JobCall call) {
  switch (call) {
    case JobCall::kStart:
      return "start";
    case JobCall::kPause:
      return "pause";
    case JobCall::kResume:
      return "resume";
    case JobCall::kCancel:
      return "cancel";
    case JobCall::kDelete:
      return "delete";
  }
  return "unknown";
}

absl::Status JobStateError(JobNumber job, JobState state,
                           absl::string_view text) {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kJobState,
               absl::StrCat("job ", job.value, " is ", JobStateName(state),
                            "; ", text))
      .Metadata("state", JobStateName(state))
      .Resource("job", absl::StrCat("jobs/", job.value));
}

absl::StatusOr<CallDecision> DecideCall(JobNumber job, JobState state,
                                        JobCall call) {
  std::vector<absl::string_view> allowed;
  for (const CallRow& row : CallRows()) {
    if (row.call != call) {
      continue;
    }
    if (row.from == state) {
      return row.decision;
    }
    allowed.push_back(JobStateName(row.from));
  }
  return JobStateError(
      job, state,
      absl::StrCat(JobCallName(call), " needs ", absl::StrJoin(allowed, " or "),
                   ": ", AdviceFor(state, call)));
}

}  // namespace resnetd

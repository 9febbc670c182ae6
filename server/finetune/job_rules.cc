#include "server/finetune/job_rules.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/utf8.h"
#include "server/base/violations.h"
#include "server/finetune/gate.h"
#include "server/models/model_registry.h"

namespace resnetd {
namespace {

constexpr std::size_t kMaxDisplayName = 128;
constexpr int kMostExemplars = 1000;

void CheckWatch(const WatchRules& rules, Violations& violations) {
  if (rules.duration.count() < 0) {
    violations.Add("promotion.watch.duration",
                   "promotion.watch.duration is negative");
  }
  if (rules.min_answers < 1) {
    violations.Add("promotion.watch.min_answers",
                   "promotion.watch.min_answers is not at least 1");
  }
  for (const auto& [name, value] :
       {std::pair{"promotion.watch.max_failure_rate", rules.max_failure_rate},
        std::pair{"promotion.watch.max_confidence_drop",
                  rules.max_confidence_drop}}) {
    if (!(value >= 0 && value <= 1)) {
      violations.Add(name,
                     absl::StrCat(name, " ", value, " is not from 0 to 1"));
    }
  }
}

bool IsBrokenDevice(const absl::Status& status) {
  return absl::IsUnavailable(status) &&
         DetailsOf(status).reason == ReasonName(Reason::kBackendUnavailable);
}

}  // namespace

absl::Status CheckSpec(const JobSpec& spec) {
  Violations violations;
  if (spec.base && !spec.architecture.empty()) {
    violations.Add("architecture",
                   "both base and architecture are set: a job trains a base, "
                   "or from scratch");
  }
  if (spec.architecture.empty() && spec.input_size != 0) {
    violations.Add("input_size",
                   "input_size is only for a training from "
                   "scratch: the base has its own");
  }
  if (spec.replay.exemplars_per_class < 0 ||
      spec.replay.exemplars_per_class > kMostExemplars) {
    violations.Add("replay.exemplars_per_class",
                   absl::StrCat("replay.exemplars_per_class is ",
                                spec.replay.exemplars_per_class, ", 0 to ",
                                kMostExemplars, " is accepted"));
  }
  if (spec.promotion.kind == PromotionKind::kAlias) {
    violations.AddErrorIn("promotion", CheckAlias(spec.promotion.alias));
  }
  CheckWatch(spec.promotion.watch, violations);
  if (spec.guard.max_p99 && spec.guard.max_p99->count() < 1) {
    violations.Add("serving_guard.max_p99",
                   "serving_guard.max_p99 is not at least 1 ms");
  }
  if (spec.guard.max_queue < 0) {
    violations.Add("serving_guard.max_queue",
                   "serving_guard.max_queue is negative");
  }
  if (spec.max_duration.count() < 0) {
    violations.Add("max_duration", "max_duration is negative");
  }
  if (spec.display_name.size() > kMaxDisplayName) {
    violations.AddLimit(
        "display_name", "display-name-bytes", kMaxDisplayName,
        spec.display_name.size(),
        absl::StrCat("display_name has ", spec.display_name.size(),
                     " bytes, at most ", kMaxDisplayName, " are accepted"));
  } else if (!IsUtf8(spec.display_name)) {
    violations.Add("display_name", "display_name is not UTF-8");
  }
  violations.AddError("gate", Validate(spec.gate));
  violations.AddError("alarms", Validate(spec.alarms));
  violations.AddError("observation", Validate(spec.observation));
  return violations.ToStatus();
}

Mutation OfJob(JobNumber job, absl::string_view method) {
  Mutation mutation;
  mutation.actor = absl::StrCat("jobs/", job.value);
  mutation.method = std::string(method);
  return mutation;
}

absl::Status ServerStopping() {
  return Error(absl::StatusCode::kUnavailable, Reason::kDraining,
               "the server is about to stop: ask again when it is back");
}

bool IsTroubleOfServer(const absl::Status& status) {
  return DetailsOf(status).reason == ReasonName(Reason::kStoreFailed) ||
         IsBrokenDevice(status);
}

absl::Status AfterTrouble(absl::Status why, int attempt, bool has_saved) {
  if (!IsBrokenDevice(why) || attempt < kAttemptsThatBreak || has_saved) {
    return why;
  }
  return Error(
      absl::StatusCode::kFailedPrecondition, Reason::kBackendUnavailable,
      absl::StrCat("the device broke in attempt ", attempt,
                   " before a checkpoint was saved: look at the GPU, then "
                   "create the job again, with smaller batches or in fp32"));
}

void EnterState(JobState state, WallTime now, JobStatus& status) {
  status.state = state;
  status.duty = 1;
  if (IsDone(state)) {
    status.ended = now;
  }
}

SteadyTime DeadlineOf(SteadyTime now, std::chrono::seconds limit,
                      Duration ran) {
  if (limit.count() == 0) {
    return kNoDeadline;
  }
  return now + std::max(limit - ran, Duration::zero());
}

std::vector<JobState> StatesAfterRestart(JobState state) {
  switch (state) {
    case JobState::kValidating:
    case JobState::kPreparing:
    case JobState::kRunning:
    case JobState::kEvaluating:
      return {JobState::kRecovering, JobState::kQueued};
    case JobState::kRecovering:
      return {JobState::kQueued};
    case JobState::kPausing:
      return {JobState::kPaused};
    case JobState::kCancelling:
      return {JobState::kCancelled};
    default:
      return {};
  }
}

}  // namespace resnetd
